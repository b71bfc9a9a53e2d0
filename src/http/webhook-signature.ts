import { createHmac, timingSafeEqual } from 'node:crypto';
import { ColdspareError } from '../domain/errors.js';

/** The parts of a request that its signature covers. */
export interface Signed {
  /** A request's header; undefined without it. */
  header(name: string): string | undefined;
  /** The body as it came in; undefined for a GET. */
  bytes: Buffer | undefined;
}

/** Milliseconds. An older signature, or one from the future, may be a replay. */
const WINDOW = 5 * 60_000;

/**
 * Checks that the sender knows `secret` (WEBHOOK_SIGNING_SECRET), by a Standard Webhooks signature or by Grafana's.
 * `now` is in milliseconds.
 * @throws ColdspareError `unauthorized`
 */
export const checkSignature = ({ header, bytes }: Signed, secret: string, now: number): void => {
  if (bytes === undefined) throw refused('no signature covers the query of a GET');
  const grafana = header(GRAFANA);
  if (header('webhook-id') !== undefined) checkStandard(header, bytes, secret, now);
  else if (grafana !== undefined) checkGrafana(grafana, header, bytes, secret, now);
  else throw refused('this webhook is not signed');
};

/** `v1,` and the base64 of an HMAC of `id.timestamp.body`; several, separated by blanks, while a key is changed. */
const checkStandard = (
  header: Signed['header'],
  bytes: Buffer,
  secret: string,
  now: number,
): void => {
  const id = header('webhook-id');
  const timestamp = header('webhook-timestamp') ?? '';
  checkAge(timestamp, now);
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  const expected = hmac(key, `${id}.${timestamp}.`, bytes);
  const given = (header('webhook-signature') ?? '').split(' ');
  const isRight = given.some((signature) => {
    const [version, digest = ''] = signature.split(',');
    return version === 'v1' && isEqual(expected, Buffer.from(digest, 'base64'));
  });
  if (!isRight) throw refused('webhook-signature does not match this message');
};

const GRAFANA = 'X-Grafana-Alerting-Signature';
/** Grafana lets the user choose this name; the manual says to enter this one. */
const GRAFANA_TIMESTAMP = 'X-Grafana-Alerting-Timestamp';

/** The hex of an HMAC of the body, or of `timestamp:body` when a timestamp header is configured. */
const checkGrafana = (
  given: string,
  header: Signed['header'],
  bytes: Buffer,
  secret: string,
  now: number,
): void => {
  const timestamp = header(GRAFANA_TIMESTAMP);
  if (timestamp !== undefined) checkAge(timestamp, now);
  const expected = hmac(secret, timestamp === undefined ? '' : `${timestamp}:`, bytes);
  if (!isEqual(expected, Buffer.from(given, 'hex')))
    throw refused(`${GRAFANA} does not match this message`);
};

const hmac = (key: string | Buffer, before: string, bytes: Buffer): Buffer =>
  createHmac('sha256', key).update(before).update(bytes).digest();

const isEqual = (one: Buffer, other: Buffer): boolean =>
  one.length === other.length && timingSafeEqual(one, other);

/** @param timestamp Unix time in seconds */
const checkAge = (timestamp: string, now: number): void => {
  const age = /^\d{1,12}$/.test(timestamp) ? Math.abs(now - Number(timestamp) * 1_000) : Number.NaN;
  if (age <= WINDOW) return;
  throw refused(`it was not signed within ${WINDOW / 60_000} minutes of this server's clock`);
};

const refused = (why: string): ColdspareError =>
  new ColdspareError(
    'unauthorized',
    why,
    'sign it with WEBHOOK_SIGNING_SECRET as Standard Webhooks or Grafana do, with a clock that is right',
  );
