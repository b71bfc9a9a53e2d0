import { decodeJson, invalid, readBytes } from './body.js';
import type { HttpContext } from './route.js';
import type { Fields } from './webhooks/provider.js';

/** Bytes. Alertmanager and Grafana tell of a whole group at once, and in an outage much fires. */
const LARGEST = 1024 * 1024;

/** What a checker sent. */
export interface Message {
  /** The body as it came in: signatures cover it. */
  bytes: Buffer;
  /** The fields of a form or of a GET's query, which say the same as JSON would. */
  fields?: Fields;
  /** Undefined when there is no body. */
  json?: unknown;
}

/** @throws Refused `invalid-request`, `too-large` */
export const readMessage = async (c: HttpContext): Promise<Message> => {
  if (c.req.method === 'GET') {
    // The key is no part of the message.
    const { token: _key, ...fields } = c.req.query();
    return { bytes: Buffer.alloc(0), fields };
  }
  const bytes = await readBytes(c, LARGEST);
  if (bytes.length === 0) return { bytes };
  const type = c.req.header('Content-Type') ?? '';
  if (FORM.test(type)) return { bytes, fields: await decodeForm(bytes, type) };
  // Not every checker declares what it sends, and in some nobody can set a header.
  return { bytes, json: decodeJson(bytes) };
};

const FORM = /^(multipart\/form-data|application\/x-www-form-urlencoded)\b/i;

const decodeForm = async (bytes: Buffer, type: string): Promise<Fields> => {
  try {
    const form = await new Response(bytes, { headers: { 'Content-Type': type } }).formData();
    const texts = [...form].filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string',
    );
    return Object.fromEntries(texts);
  } catch {
    throw invalid('the body is not the form that it says it is', 'send JSON', type.slice(0, 100));
  }
};
