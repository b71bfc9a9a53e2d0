import http from 'node:http';
import https from 'node:https';
import { pipeline } from 'node:stream/promises';
import { formatDuration } from '../domain/format.js';

/** Milliseconds until a machine that is gone counts as silent, however long its answer may take. */
const CONNECT_TIMEOUT = 5_000;

/** Milliseconds, as good as none. Node fires a longer timer at once. */
const LONGEST_TIMER = 2 ** 31 - 1;

export interface HttpRequest {
  method: string;
  /** Its user and password, if it has any, become the Authorization header. */
  url: URL;
  headers?: Record<string, string>;
  body?: string | AsyncIterable<Buffer> | undefined;
  /** Milliseconds for a TCP connection. */
  connectTimeout?: number;
  /** Milliseconds for everything, from the connection to the end of the answer. */
  timeout?: number | undefined;
  /** Milliseconds without a byte in either direction, once connected. */
  idleTimeout?: number;
  /** Ends the request, and the answer while it is read, with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** For https: our certificate, and the authorities that are trusted. */
  tls?: https.RequestOptions | undefined;
}

/** A request that took too long: `silent` when there was no connection, `hangs` when there was no answer. */
export class HttpTimeout extends Error {
  readonly outcome: 'silent' | 'hangs';

  constructor(outcome: 'silent' | 'hangs', ms: number) {
    const what = outcome === 'silent' ? 'no connection' : 'connected, but no answer';
    super(`${what} within ${formatDuration(ms)}`);
    this.outcome = outcome;
  }
}

/**
 * Sends one request over a connection of its own: the other side may just have closed a kept one, which would look
 * like a dead peer. Follows no redirect and uses no proxy. Resolves when the headers of the answer are there; the
 * caller reads the answer to its end or destroys it, which also ends a body that is still being sent.
 * @throws HttpTimeout, the signal's reason, or the error of the connection or of the body
 */
export const sendRequest = ({
  url,
  body,
  tls,
  signal,
  connectTimeout = CONNECT_TIMEOUT,
  timeout = LONGEST_TIMER,
  idleTimeout,
  ...options
}: HttpRequest): Promise<http.IncomingMessage> =>
  new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const { request: open } = url.protocol === 'https:' ? https : http;
    const request = open(url, { ...options, ...tls, agent: false });
    let response: http.IncomingMessage | undefined;
    const fail = (error: Error) => void (response ?? request).destroy(error);

    const failAfter = (ms: number, outcome: 'silent' | 'hangs') =>
      setTimeout(() => fail(new HttpTimeout(outcome, ms)), ms);
    const connecting = failAfter(Math.min(connectTimeout, timeout), 'silent');
    const answering = failAfter(timeout, 'hangs');
    request.once('socket', (socket) => socket.once('connect', () => clearTimeout(connecting)));
    if (idleTimeout !== undefined)
      request.setTimeout(idleTimeout, () => fail(new HttpTimeout('hangs', idleTimeout)));
    const abort = () => fail(signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });

    request.once('response', (answer) => {
      response = answer;
      answer.once('close', () => request.destroy());
      resolve(answer);
    });
    request.on('error', reject);
    request.once('close', () => {
      clearTimeout(connecting);
      clearTimeout(answering);
      signal?.removeEventListener('abort', abort);
      reject(new Error('the connection was closed'));
    });

    if (typeof body !== 'object') return void request.end(body);
    // A server does not wait long for headers, and the first byte of a dump may take a while.
    request.flushHeaders();
    pipeline(body, request).catch(fail);
  });
