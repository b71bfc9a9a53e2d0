import { once } from 'node:events';
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttpsServer, Server as HttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { getRequestListener, RequestError } from '@hono/node-server';
import type { Hono } from 'hono';
import { ColdspareError, Refused } from '../domain/errors.js';
import type { CredentialFiles } from '../ports/credentials.js';
import { answerBrokenRequests } from './broken-request.js';
import { problem } from './problem.js';
import type { Caller, HttpEnv } from './route.js';
import { showsCertificate, tlsOptions } from './tls.js';
import { limitUnauthenticated } from './unauthenticated-connections.js';

export interface HttpServer {
  /** The one it got, when it was asked for any (0). */
  port: number;
  /** Takes nothing new, lets what runs end for a moment, and cuts the rest: an operation's events end with the operation. */
  close(): Promise<void>;
}

/** Bytes of a request's line and headers. */
const HEADERS_LIMIT = 16 * 1024;

/** Node leaves out what comes behind its own limit, and many small ones are not found too large either. */
const HEADERS_MOST = 100;

/** Milliseconds for the headers of a request, and how often it is looked: a slow client must not hold a connection. */
const HEADERS_TIMEOUT = 10_000;
const HEADERS_CHECK = 2_000;

/** Milliseconds that a connection is kept for the next request. */
const KEEP_ALIVE = 5_000;

/** Milliseconds without any traffic, above the longest `Prefer: wait`. Bodies have stricter limits of their own. */
const SILENCE_TIMEOUT = 660_000;

/** Milliseconds for the rest of a body that was answered before it had come. */
const LEFTOVER = 1_000;

/** Milliseconds that requests get to end when the agent stops. */
const GRACE = 2_000;
const SWEEP = 50;

const LIMITS = {
  headersTimeout: HEADERS_TIMEOUT,
  connectionsCheckingInterval: HEADERS_CHECK,
  keepAliveTimeout: KEEP_ALIVE,
  maxHeaderSize: HEADERS_LIMIT,
  // A dump of any size may take as long as it needs.
  requestTimeout: 0,
  // It is refused by the listener, as a problem.
  requireHostHeader: false,
};

interface Address {
  host: string;
  port: number;
  /** Listens with TLS, and takes up what is new there. With an authority, the peer needs a certificate. */
  credentials?: CredentialFiles | undefined;
}

/** Listens. @throws ColdspareError `internal` when the address cannot be had */
export const serveHttp = async (
  app: Hono<HttpEnv>,
  { host, port, credentials }: Address,
): Promise<HttpServer> => {
  const unauthenticated = limitUnauthenticated();
  const closing = new AbortController();
  const callerOf = ({ socket }: IncomingMessage): Caller => ({
    address: socket.remoteAddress ?? 'gone',
    isCertified: credentials?.current.authority === undefined || showsCertificate(socket),
    onAuthenticated: () => unauthenticated.remove(socket),
    closing: closing.signal,
  });
  const listener = getRequestListener(
    (request, env) => {
      const incoming = env.incoming as IncomingMessage;
      // Names and values, one after the other.
      if (incoming.rawHeaders.length > 2 * HEADERS_MOST) return problem(tooManyHeaders());
      return app.fetch(request, callerOf(incoming));
    },
    {
      overrideGlobalObjects: false,
      errorHandler: (error) => problem(error instanceof RequestError ? badRequest(error) : error),
    },
  );
  const server =
    credentials === undefined
      ? createHttpServer(LIMITS, listener)
      : createHttpsServer({ ...LIMITS, ...tlsOptions(credentials.current) }, listener);
  if (server instanceof HttpsServer)
    credentials?.onChange((renewed) => server.setSecureContext(tlsOptions(renewed)));
  server.maxHeadersCount = HEADERS_MOST + 1;
  server.setTimeout(SILENCE_TIMEOUT);
  server.on('connection', unauthenticated.add);
  server.on('request', cutLeftover);
  answerBrokenRequests(server);
  // An expectation that nobody knows is no reason not to answer.
  server.on('checkExpectation', listener);
  server.listen(port, host);
  try {
    await once(server, 'listening');
  } catch (cause) {
    throw cannotListen(host, port, cause);
  }
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      const closed = once(server, 'close');
      closing.abort();
      server.close();
      // A connection is idle only when its last answer is out, which may be after the close.
      const sweep = setInterval(() => server.closeIdleConnections(), SWEEP);
      await Promise.race([closed, sleep(GRACE, undefined, { ref: false })]);
      clearInterval(sweep);
      server.closeAllConnections();
      await closed;
    },
  };
};

/** What was answered without its body ends with it soon, or with the connection: nothing else would limit it. */
const cutLeftover = (request: IncomingMessage, response: ServerResponse): void => {
  response.once('finish', () => {
    if (request.complete) return;
    const timer = setTimeout(() => request.socket.destroySoon(), LEFTOVER);
    request.once('close', () => clearTimeout(timer));
  });
};

const badRequest = ({ message }: RequestError): Refused =>
  new Refused(
    'invalid-request',
    `not a request that can be read: ${message}`,
    'check its URL and Host',
  );

const tooManyHeaders = (): Refused =>
  new Refused(
    'header-too-large',
    `there are more than ${HEADERS_MOST} headers`,
    'send fewer of them',
    {
      value: HEADERS_MOST,
    },
  );

const cannotListen = (host: string, port: number, cause: unknown): ColdspareError =>
  new ColdspareError(
    'internal',
    `cannot listen on ${host}:${port}: ${cause instanceof Error ? cause.message : cause}`,
    `see what has the port ("ss -ltnp 'sport = :${port}'"), or set HOST and PORT`,
    { cause, value: port },
  );
