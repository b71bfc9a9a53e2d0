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
  /** Called when the TCP connection is there. */
  onConnect?(): void;
  /** For https: our certificate, and the authorities that are trusted. */
  tls?: https.RequestOptions | undefined;
  /** Another protocol to go over to. An answer of 101 has taken it up, and its `socket` belongs to the caller. */
  upgrade?: string;
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

/** Whether nothing listens there. A name may stand for several addresses, of which this machine need not have all kinds. */
export const isRefused = (error: NodeJS.ErrnoException & { errors?: unknown }): boolean => {
  const errors = Array.isArray(error.errors) ? (error.errors as NodeJS.ErrnoException[]) : [error];
  const isRefusal = ({ code }: NodeJS.ErrnoException) => code === 'ECONNREFUSED';
  const isNoAddress = ({ code = '' }: NodeJS.ErrnoException) =>
    ['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'ENETUNREACH'].includes(code);
  return errors.some(isRefusal) && errors.every((one) => isRefusal(one) || isNoAddress(one));
};

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
  onConnect,
  upgrade,
  headers,
  ...options
}: HttpRequest): Promise<http.IncomingMessage> =>
  new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const { request: open } = url.protocol === 'https:' ? https : http;
    const asking = upgrade !== undefined && { Connection: 'Upgrade', Upgrade: upgrade };
    const request = open(url, {
      ...options,
      headers: { ...headers, ...asking },
      ...tls,
      agent: false,
    });
    let response: http.IncomingMessage | undefined;
    const fail = (error: Error) => void (response ?? request).destroy(error);

    const failAfter = (ms: number, outcome: 'silent' | 'hangs') =>
      setTimeout(() => fail(new HttpTimeout(outcome, ms)), ms);
    const connecting = failAfter(Math.min(connectTimeout, timeout), 'silent');
    const answering = failAfter(timeout, 'hangs');
    const connected = () => {
      clearTimeout(connecting);
      onConnect?.();
    };
    request.once('socket', (socket) => socket.once('connect', connected));
    if (idleTimeout !== undefined)
      request.setTimeout(idleTimeout, () => fail(new HttpTimeout('hangs', idleTimeout)));
    const abort = () => fail(signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });

    request.once('response', (answer) => {
      response = answer;
      answer.once('close', () => request.destroy());
      resolve(answer);
    });
    if (upgrade !== undefined)
      request.once('upgrade', (answer, socket, head) => {
        // After an error comes the close.
        socket.on('error', () => {});
        if (head.length > 0) socket.unshift(head);
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
