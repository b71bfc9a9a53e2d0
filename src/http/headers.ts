import type { Asker } from '../operations/commands.js';
import { invalid } from './body.js';
import type { HttpContext } from './route.js';

/** Seconds. Proxies cut connections that wait longer. */
const LONGEST_WAIT = 600;

/** Seconds of `Prefer: wait=N` (RFC 7240); undefined without one, or when it cannot be read. */
export const preferredWait = (c: HttpContext): number | undefined => {
  const match = /(?:^|,)\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:$|[,;])/i.exec(
    c.req.header('Prefer') ?? '',
  );
  return match ? Math.min(Number(match[1]), LONGEST_WAIT) : undefined;
};

/** Who asks for an operation, and with which `Idempotency-Key`. @throws Refused `invalid-request` */
export const askerOf = (c: HttpContext): Asker => {
  const client = c.get('client');
  const source = client === 'peer' || client === 'webhook' ? client : 'operator';
  return { source, ...idempotencyKey(c) };
};

/** @throws Refused `invalid-request` */
export const idempotencyKey = (
  c: HttpContext,
  header = 'Idempotency-Key',
): { idempotencyKey?: string } => {
  const key = c.req.header(header);
  if (key === undefined) return {};
  if (/^[\x21-\x7e]{1,255}$/.test(key)) return { idempotencyKey: key };
  throw invalid(
    `${header} must be 1 to 255 visible ASCII characters`,
    'send something like a UUID',
    key.slice(0, 300),
  );
};

/** Bytes that the sender announces; 0 when it streams. */
export const contentLength = (c: HttpContext): number =>
  Number(c.req.header('Content-Length') ?? 0);

/**
 * The offset of the body in the whole dump, from `Content-Range` (RFC 9110); 0 without one. The length of a body that
 * streams is checked at its commit. @throws Refused `invalid-request`
 */
export const rangeStart = (c: HttpContext): number => {
  const text = c.req.header('Content-Range');
  if (text === undefined) return 0;
  const [, from, last, whole] = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(text) ?? [];
  const bytes = Number(last) + 1 - Number(from);
  const isAnnounced = [0, bytes].includes(contentLength(c));
  if (bytes > 0 && Number(last) + 1 === Number(whole) && isAnnounced) return Number(from);
  throw invalid(
    'Content-Range must name the rest of the dump, and the body be as long',
    'send bytes 1000-1999/2000 for the last 1000 of 2000 bytes, or leave the header out',
    text.slice(0, 300),
  );
};
