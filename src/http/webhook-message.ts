import { gunzipSync } from 'node:zlib';
import type { Node } from '../operations/node.js';
import { readBytes } from './body.js';
import type { HttpContext } from './route.js';
import { splitQuery } from './webhook-query.js';
import { checkSignature } from './webhook-signature.js';
import { maySayState } from './webhooks/generic.js';
import { readLenientJson } from './webhooks/lenient-json.js';
import { type Fields, isRecord } from './webhooks/provider.js';

/** Bytes. Alertmanager and Grafana send a whole group at once, and many alerts fire in an outage. */
const MESSAGE_LIMIT = 1024 * 1024;

/** One thing that a checker's request may mean: the fields of a form or a query, JSON, or a request without anything. */
export type Reading = { fields: Fields } | { json: unknown };

/** What a checker sent. */
export interface Message {
  /** Of its body and its query, each if it is there and can be read. */
  readings: readonly Reading[];
  /** What came, for a log: no values, which may be secret. */
  summary: string;
}

/** @throws ColdspareError `unauthorized` without a signature that is required, `too-large`, `upload-torn` */
export const readMessage = async (c: HttpContext, node: Node): Promise<Message> => {
  const bytes = c.req.method === 'GET' ? undefined : await readBytes(c, MESSAGE_LIMIT);
  const secret = node.settings.webhookSigningSecret;
  if (secret !== undefined)
    checkSignature({ header: (name) => c.req.header(name), bytes }, secret, node.clock.now());
  // No signature covers a query.
  const fields = secret === undefined ? splitQuery(c.req.url).fields : {};
  const type = c.req.header('Content-Type') ?? '';
  // Beside a body only a query that says something is a message, and in a GET: whoever opens the link sends one.
  const isMessage = bytes?.length === 0 ? Object.keys(fields).length > 0 : maySayState(fields);
  const query: Reading[] = isMessage ? [{ fields }] : [];
  if (bytes === undefined) return { readings: query, summary: summaryOf('GET', [{ fields }]) };
  const body = bytes.length > 0 ? await readingsOf(bytes, type) : [];
  // A POST without a body is a message, unless its query may be one.
  const isBare = bytes.length === 0 && !maySayState(fields);
  const readings = [...body, ...query, ...(isBare ? [{ json: undefined }] : [])];
  const media = /^[\w.+/-]{1,60}/.exec(type)?.[0] ?? 'no Content-Type';
  return { readings, summary: summaryOf(`${media}, ${bytes.length} bytes`, [...body, { fields }]) };
};

/** What a body means, whatever Content-Type says: curl and many templates call JSON a form. */
const readingsOf = async (bytes: Buffer, type: string): Promise<Reading[]> => {
  if (/^multipart\/form-data\b/i.test(type)) {
    const form = new Response(bytes, { headers: { 'Content-Type': type } }).formData();
    return form.then(
      (entries) => [{ fields: Object.fromEntries([...entries].filter(isText)) }],
      () => [],
    );
  }
  const text = decodeText(bytes, type);
  const json = readLenientJson(text);
  if (json !== undefined) return [{ json }];
  return FORM.test(text) ? [{ fields: Object.fromEntries(new URLSearchParams(text.trim())) }] : [];
};

const isText = (entry: [string, unknown]): entry is [string, string] =>
  typeof entry[1] === 'string';

/** A name, and a value after it. */
const FORM = /^\s*[\w.%+[\]-]{1,200}=/;

const decodeText = (bytes: Buffer, type: string): string => {
  const isZipped = bytes[0] === 0x1f && bytes[1] === 0x8b;
  const plain = isZipped ? unzip(bytes) : bytes;
  const mark = plain.subarray(0, 2).toString('hex');
  const marked = { fffe: 'utf-16le', feff: 'utf-16be' }[mark];
  const named = /charset="?([\w-]+)/i.exec(type)?.[1];
  try {
    return new TextDecoder(marked ?? named).decode(plain);
  } catch {
    // It names a charset that nobody knows.
    return new TextDecoder().decode(plain);
  }
};

const unzip = (bytes: Buffer): Buffer => {
  try {
    return gunzipSync(bytes, { maxOutputLength: MESSAGE_LIMIT });
  } catch {
    return bytes;
  }
};

const summaryOf = (what: string, readings: readonly Reading[]): string => {
  const names = readings
    .flatMap((reading) =>
      Object.keys('fields' in reading ? reading.fields : asRecord(reading.json)),
    )
    // A key has at least 32 characters.
    .map((name) => (/^[\w .-]{1,30}$/.test(name) ? name : '…'))
    .slice(0, 12);
  return `${what}, ${names.length > 0 ? `fields ${names.join(' ')}` : 'no fields'}`;
};

const asRecord = (json: unknown): object => (isRecord(json) ? json : {});
