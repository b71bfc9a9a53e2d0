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
import { REPLICATION_UPGRADE } from '../domain/protocol.js';
import type { CredentialFiles } from '../ports/credentials.js';
import { answerBrokenRequests } from './broken-request.js';
import { problem } from './problem.js';
import type { Caller, HttpEnv } from './route.js';
import { showsCertificate, tlsOptions } from './tls.js';
import { limitUnauthenticated } from './unauthenticated-connections.js';
import { answerUpgrades } from './upgrade.js';

export interface HttpServer {
  /** The port it listens on, also when 0 was asked for. */
  port: number;
  /** Accepts nothing new, gives open requests a moment to end, and cuts the rest. */
  close(): Promise<void>;
}

/** Bytes of a request's line and headers. */
const HEADER_BYTES = 16 * 1024;

/** Node drops headers beyond its limit without a word, so the count is checked here. */
const HEADER_COUNT = 100;

/** Milliseconds for the headers of a request, and between two checks. A slow client must not hold a connection. */
const HEADERS_TIMEOUT = 10_000;
const HEADERS_CHECK = 2_000;

/** Milliseconds that a connection is kept for the next request. */
const KEEP_ALIVE = 5_000;

/** Milliseconds without any traffic: more than the longest `Prefer: wait`. Bodies have stricter limits (body.ts). */
const SILENCE_TIMEOUT = 660_000;

/** Milliseconds for the rest of a body that was answered before its end. */
const REST_TIMEOUT = 1_000;

/** Milliseconds that requests get to end when the agent stops. */
const GRACE = 2_000;
const SWEEP = 50;

const LIMITS = {
  headersTimeout: HEADERS_TIMEOUT,
  connectionsCheckingInterval: HEADERS_CHECK,
  keepAliveTimeout: KEEP_ALIVE,
  maxHeaderSize: HEADER_BYTES,
  // The upload of a large dump may take as long as it needs.
  requestTimeout: 0,
  // The listener decides about a missing Host.
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
  const answer = (request: Request, incoming: IncomingMessage, caller = callerOf(incoming)) => {
    // Names and values alternate.
    if (incoming.rawHeaders.length > 2 * HEADER_COUNT) return problem(tooManyHeaders());
    if (lacksHost(incoming)) return problem(badRequest(new RequestError('Missing host header')));
    return app.fetch(request, caller);
  };
  const listener = getRequestListener(
    (request, env) => answer(request, env.incoming as IncomingMessage),
    {
      // Where there is none.
      hostname: 'localhost',
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
  server.maxHeadersCount = HEADER_COUNT + 1;
  server.setTimeout(SILENCE_TIMEOUT);
  server.on('connection', unauthenticated.add);
  server.on('request', limitRestOfBody);
  answerBrokenRequests(server);
  answerUpgrades(server, closing.signal, async (incoming, upgrade) =>
    answer(toRequest(incoming), incoming, { ...callerOf(incoming), upgrade }),
  );
  // Node would refuse an unknown Expect header.
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
      // A connection may become idle only after `close`, when its last answer has been sent.
      const sweep = setInterval(() => server.closeIdleConnections(), SWEEP);
      await Promise.race([closed, sleep(GRACE, undefined, { ref: false })]);
      clearInterval(sweep);
      server.closeAllConnections();
      await closed;
    },
  };
};

/** The request of an upgrade: a GET without a body. */
const toRequest = ({ headersDistinct }: IncomingMessage): Request => {
  const headers = Object.entries(headersDistinct).flatMap(([name, values = []]) =>
    values.map((value): [string, string] => [name, value]),
  );
  return new Request(`http://localhost${REPLICATION_UPGRADE.path}`, { headers });
};

/** HTTP/1.1 demands one. Load balancers check without it, and HTTP/1.0 has none. */
const lacksHost = ({ headers, httpVersion, method = '' }: IncomingMessage): boolean =>
  !headers.host && httpVersion !== '1.0' && !['GET', 'HEAD', 'OPTIONS'].includes(method);

/** A request that was answered before its body ended must end soon. No other limit applies to it any more. */
const limitRestOfBody = (request: IncomingMessage, response: ServerResponse): void => {
  response.once('finish', () => {
    if (request.complete) return;
    const timer = setTimeout(() => request.socket.destroySoon(), REST_TIMEOUT);
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
    `there are more than ${HEADER_COUNT} headers`,
    'send fewer of them',
    {
      value: HEADER_COUNT,
    },
  );

const cannotListen = (host: string, port: number, cause: unknown): ColdspareError =>
  new ColdspareError(
    'internal',
    `cannot listen on ${host}:${port}: ${cause instanceof Error ? cause.message : cause}`,
    `see what has the port ("ss -ltnp 'sport = :${port}'"), or set HOST and PORT`,
    { cause, value: port },
  );
