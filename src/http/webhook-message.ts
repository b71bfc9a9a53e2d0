import type { Node } from '../operations/node.js';
import { decodeJson, invalid, readBytes } from './body.js';
import type { HttpContext } from './route.js';
import { checkSignature } from './webhook-signature.js';
import type { Fields } from './webhooks/provider.js';

/** Bytes. Alertmanager and Grafana send a whole group at once, and many alerts fire in an outage. */
const MESSAGE_LIMIT = 1024 * 1024;

/** What a checker sent. */
export interface Message {
  /** The fields of a form or of a GET's query. */
  fields?: Fields;
  /** Undefined when there is no body. */
  json?: unknown;
}

/** @throws ColdspareError `unauthorized` without a signature that is required, `invalid-request`, `too-large` */
export const readMessage = async (c: HttpContext, node: Node): Promise<Message> => {
  const bytes = c.req.method === 'GET' ? undefined : await readBytes(c, MESSAGE_LIMIT);
  const secret = node.settings.webhookSigningSecret;
  if (secret !== undefined)
    checkSignature({ header: (name) => c.req.header(name), bytes }, secret, node.clock.now());
  if (bytes === undefined) {
    // The key is not a part of the message.
    const { token: _key, ...fields } = c.req.query();
    return { fields };
  }
  if (bytes.length === 0) return {};
  const type = c.req.header('Content-Type') ?? '';
  if (FORM.test(type)) return { fields: await decodeForm(bytes, type) };
  // Not every checker sends a Content-Type, and some cannot be made to.
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
    throw invalid(
      'the body is not a form, though Content-Type says so',
      'send JSON',
      type.slice(0, 100),
    );
  }
};
