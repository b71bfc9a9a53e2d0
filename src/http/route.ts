import type { Duplex } from 'node:stream';
import type { Context } from 'hono';
import type { z } from 'zod';
import type { ErrorCode } from '../domain/errors.js';
import type { Node } from '../operations/node.js';
import type { Metrics } from './metrics/metrics.js';

/** Who calls, as shown by the key: PEER_TOKEN, ADMIN_TOKEN or WEBHOOK_TOKEN. */
export type Client = 'peer' | 'admin' | 'webhook';

/** The connection that a request came over. */
export interface Caller {
  /** The other end of the socket. A header that names another address could be made up. */
  address: string;
  /** The other end has shown a certificate of TLS_CA, or needs none. */
  isCertified: boolean;
  /** To be called when a right key has come over this connection. */
  onAuthenticated(): void;
  /** Aborted when the agent stops listening, to end streams that have no end of their own. */
  closing: AbortSignal;
  /** Only for a request that asks to leave HTTP. */
  upgrade?: Upgrade;
}

export interface Upgrade {
  /** Aborted when the connection is closed. */
  signal: AbortSignal;
  /** `join` gets the connection after the answer with the headers, also when it has been closed by then. */
  accept(join: (connection: Duplex) => void): Response;
}

export interface HttpEnv {
  Bindings: Caller;
  Variables: {
    /** Who calls; undefined on a route that is open to all. */
    client: Client | undefined;
    metrics: Metrics;
  };
}

export type HttpContext = Context<HttpEnv>;

/** Headers of a request that some routes understand; `openapi.ts` describes each. */
export type RequestHeader =
  | 'Prefer'
  | 'Idempotency-Key'
  | 'Coldspare-Epoch'
  | 'Content-Range'
  | 'webhook-id';

/** What the OpenAPI document says about a route. What all routes have in common is added by `openapi.ts`. */
export interface About {
  summary: string;
  /** The varying parts of the path. */
  params?: Readonly<Record<string, z.ZodType>>;
  query?: z.ZodObject;
  headers?: readonly RequestHeader[];
  /** The body as JSON by its schema, or the media type of another. */
  body?: z.ZodType | string;
  /** By status: a schema with an id, the media type of a body that is not JSON, or null for no body. */
  answers: Readonly<Record<number, z.ZodType | string | null>>;
  /** Codes of its own refusals. Those of the key, the parameters and the body are added by `openapi.ts`. */
  problems?: readonly ErrorCode[];
}

/** One line of the contract. Authentication, 405 answers, the OpenAPI document and tests read the table of all. */
export interface Route {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** OPTIONS is answered as well, with which some load balancers check. */
  answersOptions?: true;
  /** With `:name` for a part that varies. */
  path: string;
  /** Who may call it. None: everybody, without a key. */
  clients: readonly Client[];
  /** A peer that is behind us is refused, because what it sends belongs to a past epoch. */
  refusesStaleEpoch?: true;
  /** What it brings takes the place of an older backup, so it must be certain that the peer sends it. */
  bringsBackup?: true;
  /** It is more than a question, although an upgrade has to be a GET: a sender that is not the peer is refused. */
  joinsPeer?: true;
  /** What GET /openapi.json says of it. */
  about: About;
  handle(c: HttpContext, node: Node): Response | Promise<Response>;
}
