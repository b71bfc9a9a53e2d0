import { sendRequest } from '../http-client.js';
import { DeliveryError } from './channel.js';

/** Asked too early, too often or at a bad moment: the same request may be taken later. */
const TEMPORARY: ReadonlySet<number> = new Set([408, 425, 429]);

/**
 * POSTs JSON.
 * @throws DeliveryError when the answer is not 2xx; redirects are not followed, since they would make a GET of it
 */
export const postJson = async (url: string, body: object, signal: AbortSignal): Promise<void> => {
  const response = await sendRequest({
    method: 'POST',
    url: new URL(url),
    headers: { 'Content-Type': 'application/json', 'User-Agent': 'coldspare' },
    body: JSON.stringify(body),
    signal,
  });
  response.destroy();
  const { statusCode: status = 0, headers } = response;
  if (status >= 200 && status < 300) return;
  throw new DeliveryError(`HTTP ${status}`, {
    isFinal: status < 500 && !TEMPORARY.has(status),
    retryAfter: parseRetryAfter(headers['retry-after']),
  });
};

/** Milliseconds; the header has seconds, or a date. */
const parseRetryAfter = (value: string | undefined): number | undefined => {
  if (value === undefined) return undefined;
  const ms = /^[\d.]+$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
};
