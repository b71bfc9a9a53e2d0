import { invalid } from './body.js';
import type { HttpContext } from './route.js';

/** Seconds. A longer wait is a connection that some proxy cuts. */
const LONGEST_WAIT = 600;

/** Seconds of `Prefer: wait=N` (RFC 7240); undefined without one. A preference that makes no sense is no preference. */
export const preferredWait = (c: HttpContext): number | undefined => {
  const match = /(?:^|,)\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:$|[,;])/i.exec(
    c.req.header('Prefer') ?? '',
  );
  return match ? Math.min(Number(match[1]), LONGEST_WAIT) : undefined;
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
 * Where the body begins in the whole, by `Content-Range` (RFC 9110); 0 without one. A body that streams is counted at its
 * commit. @throws Refused `invalid-request`
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
