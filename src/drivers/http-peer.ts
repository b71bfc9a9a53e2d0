import type { z } from 'zod';
import { ColdspareError, type ErrorCode, isError } from '../domain/errors.js';
import { manifestSchema } from '../domain/manifest.js';
import { parseJson } from '../domain/parse-json.js';
import { formatProtocol, REPLICATION_UPGRADE } from '../domain/protocol.js';
import { parseEpoch } from '../domain/transitions.js';
import type { Peer } from '../peer/peer.js';
import type { CredentialFiles } from '../ports/credentials.js';
import {
  type ExchangeAnswer,
  type ExchangeRequest,
  exchange,
  unreachable,
} from './http-exchange.js';
import {
  commitAnswer,
  fenceAnswer,
  operationAnswer,
  problemAnswer,
  receivedAnswer,
  statusAnswer,
  uploadAnswer,
} from './http-peer-answers.js';

interface PeerOptions {
  /** PEER_URL. */
  url: string;
  /** PEER_TOKEN. */
  token: string;
  /** What is shown to it over https, and with an authority what it has to show. */
  credentials?: CredentialFiles;
  /** NODE_NAME of this node. */
  node: string;
  /** Which run of this agent it is, sent with every message. */
  instance: string;
  /** This node's epoch, sent with every message. */
  epoch(): number;
  /** Takes the epoch of every answer in, before the answer is acted on. */
  onEpoch(epoch: number): Promise<void>;
  /** Milliseconds for `status`, which decides whether the peer is alive. */
  statusTimeout: number;
}

/** Milliseconds for a request that is answered once it is written down. */
const CALL_TIMEOUT = 15_000;
/** Stopping an app may take as long as the peer's own limit for a fence, which is 150 s. */
const FENCE_TIMEOUT = 160_000;
/** The peer's disk may be busy when it writes the backup down. */
const COMMIT_TIMEOUT = 60_000;
/** Milliseconds without a byte, in place of a limit for the whole upload. */
const UPLOAD_IDLE_TIMEOUT = 60_000;

type PeerRequest = Omit<ExchangeRequest, 'url' | 'credentials'>;

/** The other agent over HTTP. */
export const createHttpPeer = (options: PeerOptions): Peer => {
  /** @throws ColdspareError also when the peer refuses */
  const send = async (url: URL, { headers, ...request }: PeerRequest): Promise<ExchangeAnswer> => {
    const answer = await exchange({
      ...(request.idleTimeout === undefined && { timeout: CALL_TIMEOUT }),
      ...{ ...request, url },
      headers: { ...headersOf(options), ...bodyHeaders(request.body), ...headers },
      credentials: options.credentials?.current,
    });
    refuseOurselves(url, answer, options.node);
    // Who does not take our key may be of another pair: its epoch says nothing about ours.
    if (!refusesKey(answer)) await hearAnswer(answer, options);
    if (answer.status >= 300) throw refusalIn(url, answer);
    return answer;
  };
  const ask = async <T extends z.ZodType>(
    path: string,
    schema: T,
    request: PeerRequest,
  ): Promise<z.output<T>> => {
    const url = new URL(path, options.url);
    return parseAnswer(url, schema, await send(url, request));
  };
  const get = <T extends z.ZodType>(path: string, schema: T, timeout = CALL_TIMEOUT) =>
    ask(path, schema, { method: 'GET', timeout });
  const post = <T extends z.ZodType>(
    path: string,
    schema: T,
    body: object,
    timeout = CALL_TIMEOUT,
  ) => ask(path, schema, { method: 'POST', body: JSON.stringify(body), timeout });

  return {
    status: () => get('/status', statusAnswer, options.statusTimeout),
    instance: async () => {
      const { headers } = await exchange({
        ...{ method: 'GET', url: new URL('/health', options.url), timeout: options.statusTimeout },
        credentials: options.credentials?.current,
      });
      const instance = headers['coldspare-instance'];
      return typeof instance === 'string' ? instance : undefined;
    },
    fence: (operation, epoch) => post('/fence', fenceAnswer, { operation, epoch }, FENCE_TIMEOUT),
    fenceUnused: (operation, epoch, unusedBeside) =>
      post('/fence', fenceAnswer, { operation, epoch, unusedBeside }, FENCE_TIMEOUT),
    rescue: (operation) => post('/backups', operationAnswer, { rescue: operation }),
    takeOver: (operation, epoch, backup, position) =>
      post('/takeovers', operationAnswer, {
        ...{ operation, epoch },
        ...(backup !== null && { backup }),
        ...(position != null && { position }),
      }),
    requestHandover: (reason, idempotencyKey) =>
      ask('/handovers', operationAnswer, {
        method: 'POST',
        body: JSON.stringify({ reason }),
        ...(idempotencyKey !== undefined && { headers: { 'Idempotency-Key': idempotencyKey } }),
      }),
    operation: (id) =>
      unless('operation-not-found', get(`/operations/${encodeURIComponent(id)}`, operationAnswer)),
    cancel: (id) =>
      ask(`/operations/${encodeURIComponent(id)}`, operationAnswer, { method: 'DELETE' }),
    backup: (id) =>
      unless('backup-not-found', get(`/backups/${encodeURIComponent(id)}`, manifestSchema)),
    received: async (id) => {
      const { bytes } = await get(`/backups/${encodeURIComponent(id)}/upload`, receivedAnswer);
      return bytes;
    },
    upload: (id, content, { from, bytes }, signal) =>
      ask(`/backups/${encodeURIComponent(id)}`, uploadAnswer, {
        method: 'PUT',
        ...(from > 0 &&
          bytes !== undefined && {
            headers: { 'Content-Range': `bytes ${from}-${bytes - 1}/${bytes}` },
          }),
        body: { content, bytes: bytes === undefined ? undefined : bytes - from },
        signal,
        idleTimeout: UPLOAD_IDLE_TIMEOUT,
      }),
    confirm: async (id, at) => {
      await post(`/backups/${encodeURIComponent(id)}/confirm`, commitAnswer, { at });
    },
    commit: async (manifest) => {
      const path = `/backups/${encodeURIComponent(manifest.id)}/commit`;
      await post(path, commitAnswer, manifest, COMMIT_TIMEOUT);
    },
    openReplication: async (signal) => {
      const { path, protocol: upgrade } = REPLICATION_UPGRADE;
      const url = new URL(path, options.url);
      const { connection } = await send(url, { method: 'GET', upgrade, signal });
      if (connection === undefined) throw noAgent(url, 'it keeps to HTTP');
      return connection;
    },
  };
};

/** Undefined when the peer refuses with that code. */
const unless = <T>(code: ErrorCode, answer: Promise<T>): Promise<T | undefined> =>
  answer.catch((error: unknown) => {
    if (isError(error, 'peer-refused') && error.value === code) return undefined;
    throw error;
  });

const headersOf = ({ token, node, instance, epoch }: PeerOptions): Record<string, string> => ({
  Authorization: `Bearer ${token}`,
  'Coldspare-Epoch': String(epoch()),
  'Coldspare-Instance': instance,
  'Coldspare-Node': node,
  'Coldspare-Protocol': formatProtocol(),
});

const bodyHeaders = (body: ExchangeRequest['body']): Record<string, string> => {
  if (body === undefined) return {};
  return typeof body === 'string'
    ? { 'Content-Type': 'application/json', 'Content-Length': String(Buffer.byteLength(body)) }
    : {
        'Content-Type': 'application/octet-stream',
        ...(body.bytes !== undefined && { 'Content-Length': String(body.bytes) }),
      };
};

const hearAnswer = async (
  { headers }: ExchangeAnswer,
  { epoch, onEpoch }: Pick<PeerOptions, 'epoch' | 'onEpoch'>,
): Promise<void> => {
  const heard = parseEpoch(String(headers['coldspare-epoch']));
  if (heard !== undefined && heard - epoch() <= FARTHEST_HEARD) await onEpoch(heard);
};

/**
 * What PEER_URL leads to is believed about itself, however far ahead: two nodes that do not believe each other would both
 * serve. Only the end of the range is out of reach of a single answer.
 */
const FARTHEST_HEARD = 1e15;

/** A PEER_URL that leads back here would make this node its own witness. */
const refuseOurselves = (url: URL, { headers }: ExchangeAnswer, node: string): void => {
  if (headers['coldspare-node'] !== node) return;
  throw unreachable(
    url,
    `it calls itself ${node} as this one does; PEER_URL must lead to the other`,
  );
};

/** Too many wrong keys (429) are a wrong key as well: a right one is never counted. */
const refusesKey = ({ status }: ExchangeAnswer): boolean => [401, 403, 429].includes(status);

/** The peer's own no; anything else with such a status did not come from an agent. */
const refusalIn = (url: URL, answer: ExchangeAnswer): ColdspareError => {
  const { status, text } = answer;
  const parsed = problemAnswer.safeParse(parseJson(text));
  if (!parsed.success) return noAgent(url, `HTTP ${status} without a problem of ours`);
  const { code, detail, remedy } = parsed.data;
  return new ColdspareError(
    'peer-refused',
    `the other node refused: ${detail}`,
    refusesKey(answer) && code !== 'certificate-needed'
      ? 'PEER_TOKEN must be the same on both nodes'
      : remedy,
    { value: code },
  );
};

const parseAnswer = <T extends z.ZodType>(
  url: URL,
  schema: T,
  { text }: ExchangeAnswer,
): z.output<T> => {
  const parsed = schema.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw noAgent(url, `at "${issue?.path.join('.')}": ${issue?.message}`);
};

const noAgent = (url: URL, why: string): ColdspareError =>
  unreachable(url, `what answers ${url.pathname} is no agent that we understand (${why})`);
