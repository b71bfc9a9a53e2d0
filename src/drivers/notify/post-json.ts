import { DeliveryError } from './channel.js';

/** Asked too early, too often or at a bad moment: the same request may be taken later. */
const PASSING: ReadonlySet<number> = new Set([408, 425, 429]);

/**
 * POSTs JSON to a URL whose user and password, if it has any, go into the Authorization header.
 * @throws DeliveryError when the answer is not 2xx; redirects are not followed, since they would make a GET of it
 */
export const postJson = async (url: string, body: object, signal: AbortSignal): Promise<void> => {
  const { address, headers } = splitCredentials(url);
  const response = await fetch(address, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'Content-Type': 'application/json', 'User-Agent': 'coldspare', ...headers },
    redirect: 'manual',
    signal,
  });
  await response.body?.cancel();
  if (response.ok) return;
  const { status } = response;
  throw new DeliveryError(`HTTP ${status}`, {
    isFinal: status < 500 && !PASSING.has(status),
    retryAfter: parseRetryAfter(response.headers.get('Retry-After')),
  });
};

/** A URL with a password in it is not taken by fetch, and would show it in errors. */
const splitCredentials = (url: string): { address: URL; headers: Record<string, string> } => {
  const address = new URL(url);
  const { username, password } = address;
  if (username === '' && password === '') return { address, headers: {} };
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  address.username = '';
  address.password = '';
  return { address, headers: { Authorization: `Basic ${Buffer.from(pair).toString('base64')}` } };
};

/** Milliseconds; the header has seconds, or a date. */
const parseRetryAfter = (value: string | null): number | undefined => {
  if (value === null) return undefined;
  const ms = /^[\d.]+$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
};
