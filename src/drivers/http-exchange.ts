import http from 'node:http';
import https from 'node:https';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { formatDuration } from '../domain/duration.js';
import { ColdspareError } from '../domain/errors.js';
import type { Credentials } from '../ports/credentials.js';

/** Milliseconds until a machine that is gone counts as silent, however long its answer would have been waited for. */
const CONNECT = 5_000;

/** Bytes of an answer that are read. A list of manifests that count every table may be long. */
const ANSWER_LIMIT = 64 * 1024 * 1024;

export interface ExchangeRequest {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  url: URL;
  headers: Record<string, string>;
  /** A stream of unknown length is sent in chunks. */
  body?: string | { content: Readable; bytes: number | undefined };
  /** Milliseconds for the whole of it. With a streamed body: without any progress. */
  patience: number;
  signal?: AbortSignal;
  /** For https. With an authority, no other one is believed. */
  credentials?: Credentials;
}

export interface ExchangeAnswer {
  status: number;
  headers: http.IncomingHttpHeaders;
  text: string;
}

/**
 * One request and its answer. A new connection each time: a kept one that the other side has just closed looks
 * like a dead peer. An answer that comes before the body is through ends the body.
 * @throws ColdspareError `peer-unreachable` when no answer came, the signal's reason, or the error of a broken body
 */
export const exchange = async (options: ExchangeRequest): Promise<ExchangeAnswer> => {
  const { method, url, headers, body, signal } = options;
  signal?.throwIfAborted();
  const request = open(url, { method, headers, agent: false }, options.credentials);
  const watch = watchProgress(request, options);
  const abort = () => request.destroy();
  signal?.addEventListener('abort', abort, { once: true });
  let broken: unknown;
  try {
    if (typeof body === 'object') {
      // A dump may think for a while before its first byte, and a server does not wait that long for headers.
      request.flushHeaders();
      const source = exactly(body, watch.progress, (error) => {
        broken = error;
      });
      // Whatever breaks it ends the request as well, and so the wait for an answer.
      pipeline(source, request).catch(() => {});
    } else {
      request.end(body);
    }
    return await readAnswer(request, watch.progress);
  } catch (error) {
    signal?.throwIfAborted();
    if (broken !== undefined) throw broken;
    throw unreachable(url, watch.why() ?? sayFailure(error as NodeJS.ErrnoException), error);
  } finally {
    watch.end();
    signal?.removeEventListener('abort', abort);
    request.destroy();
  }
};

const open = (
  url: URL,
  options: http.RequestOptions,
  credentials: Credentials | undefined,
): http.ClientRequest => {
  if (url.protocol !== 'https:') return http.request(url, options);
  if (credentials === undefined) return https.request(url, options);
  const { certificate: cert, key, authority: ca } = credentials;
  return https.request(url, { ...options, cert, key, ...(ca !== undefined && { ca }) });
};

/** The announced bytes and not one else: fewer would leave the peer waiting, more would be its next request. */
async function* exactly(
  { content, bytes }: { content: Readable; bytes: number | undefined },
  progress: () => void,
  onBroken: (error: unknown) => void,
): AsyncGenerator<Buffer> {
  let sent = 0;
  try {
    for await (const chunk of content) {
      sent += chunk.length;
      if (bytes !== undefined && sent > bytes) throw otherLength(bytes, sent);
      progress();
      yield chunk;
    }
    if (bytes !== undefined && sent < bytes) throw otherLength(bytes, sent);
  } catch (error) {
    onBroken(error);
    throw error;
  }
}

const readAnswer = (request: http.ClientRequest, progress: () => void): Promise<ExchangeAnswer> =>
  new Promise((resolve, reject) => {
    request.on('error', reject);
    const closed = () => reject(new Error('the connection was closed'));
    request.once('close', closed);
    request.once('response', async (response) => {
      // From here on the response itself tells when it is cut.
      request.off('close', closed);
      try {
        const chunks: Buffer[] = [];
        let size = 0;
        for await (const chunk of response) {
          progress();
          size += chunk.length;
          if (size > ANSWER_LIMIT)
            throw new Error(`the answer is larger than ${ANSWER_LIMIT} bytes`);
          chunks.push(chunk);
        }
        const { statusCode: status = 0, headers } = response;
        resolve({ status, headers, text: Buffer.concat(chunks).toString('utf8') });
      } catch (error) {
        reject(error);
      }
    });
  });

/** Ends the request when its time is up, and tells how far it had come. */
const watchProgress = (
  request: http.ClientRequest,
  { patience, body }: Pick<ExchangeRequest, 'patience' | 'body'>,
) => {
  let why: string | undefined;
  const giveUpAfter = (ms: number, what: string) =>
    setTimeout(() => {
      why = `${what} within ${formatDuration(ms)}`;
      request.destroy();
    }, ms);
  let timer = giveUpAfter(Math.min(CONNECT, patience), 'it is silent: no connection');
  const progress = () => {
    if (typeof body === 'object') timer.refresh();
  };
  request.once('socket', (socket) => {
    socket.once('connect', () => {
      clearTimeout(timer);
      timer = giveUpAfter(patience, 'it hangs: connected, but no answer');
    });
  });
  return { progress, why: () => why, end: () => clearTimeout(timer) };
};

const sayFailure = ({ code, message }: NodeJS.ErrnoException): string => {
  switch (code) {
    case 'ECONNREFUSED':
      return 'it refuses: nothing listens there (ECONNREFUSED)';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `its name is not known (${code})`;
    case 'ECONNRESET':
    case 'EPIPE':
      return `it broke off (${code})`;
    default:
      return code === undefined ? message : `${message} (${code})`;
  }
};

/** No agent's answer came from there. */
export const unreachable = (url: URL, why: string, cause?: unknown): ColdspareError =>
  new ColdspareError(
    'peer-unreachable',
    `the agent at ${url.host} cannot be asked: ${why}`,
    url.protocol === 'https:'
      ? `openssl s_client -connect ${url.host} from this node; check PEER_URL, TLS_CERT and TLS_CA of both nodes, and the network`
      : `curl ${url.origin}/health from this node; check PEER_URL, the other agent and the network`,
    { cause, value: why },
  );

const otherLength = (bytes: number, sent: number): ColdspareError =>
  new ColdspareError(
    'backup-unusable',
    `the dump has ${sent < bytes ? `only ${sent}` : 'more than the'} bytes of its manifest (${bytes})`,
    'the file has changed on disk: take a new backup with POST /backups',
    { value: sent },
  );
