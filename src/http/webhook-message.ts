import type { Node } from '../operations/node.js';
import { decodeJson, invalid, readBytes } from './body.js';
import type { HttpContext } from './route.js';
import { checkSignature } from './webhook-signature.js';
import type { Fields } from './webhooks/provider.js';

/** Bytes. Alertmanager and Grafana tell of a whole group at once, and in an outage much fires. */
const LARGEST = 1024 * 1024;

/** What a checker sent. */
export interface Message {
  /** The fields of a form or of a GET's query, which say the same as JSON would. */
  fields?: Fields;
  /** Undefined when there is no body. */
  json?: unknown;
}

/** @throws ColdspareError `unauthorized` without a signature that is asked for, `invalid-request`, `too-large` */
export const readMessage = async (c: HttpContext, node: Node): Promise<Message> => {
  const bytes = c.req.method === 'GET' ? undefined : await readBytes(c, LARGEST);
  const secret = node.settings.webhookSigningSecret;
  if (secret !== undefined)
    checkSignature({ header: (name) => c.req.header(name), bytes }, secret, node.clock.now());
  if (bytes === undefined) {
    // The key is no part of the message.
    const { token: _key, ...fields } = c.req.query();
    return { fields };
  }
  if (bytes.length === 0) return {};
  const type = c.req.header('Content-Type') ?? '';
  if (FORM.test(type)) return { fields: await decodeForm(bytes, type) };
  // Not every checker declares what it sends, and in some nobody can set a header.
  return { json: decodeJson(bytes) };
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
