import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Duplex, Readable } from 'node:stream';
import { ColdspareError } from '../domain/errors.js';
import type { Credentials } from '../ports/credentials.js';
import { type HttpRequest, HttpTimeout, sendRequest } from './http-client.js';

/** Bytes of an answer that are read. A list of manifests that count every table may be long. */
const ANSWER_LIMIT = 64 * 1024 * 1024;

/** Nothing else answers an upgrade so, and nothing but an upgrade is answered so. */
const SWITCHING = 101;

/** Without a length, the content is sent in chunks. */
interface Upload {
  content: Readable;
  bytes: number | undefined;
}

export interface ExchangeRequest extends Omit<HttpRequest, 'body' | 'tls'> {
  body?: string | Upload | undefined;
  /** For https. With an authority, no other one is trusted. */
  credentials?: Credentials | undefined;
}

export interface ExchangeAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
  /** When the answer is the protocol that `upgrade` asked for. */
  connection?: Duplex;
}

/**
 * One request to the other agent and its answer. An answer that comes before the body was sent ends the body.
 * @throws ColdspareError `peer-unreachable` when no answer came, the signal's reason, or the error of a broken body
 */
export const exchange = async ({
  body,
  credentials,
  ...request
}: ExchangeRequest): Promise<ExchangeAnswer> => {
  let bodyError: unknown;
  const onBodyError = (error: unknown) => {
    bodyError = error;
  };
  try {
    const response = await sendRequest({
      ...request,
      body: typeof body === 'object' ? exactly(body, onBodyError) : body,
      tls: credentials && tlsOptions(credentials),
    });
    const { statusCode: status = 0, headers } = response;
    if (status === SWITCHING) return { status, headers, text: '', connection: response.socket };
    return { status, headers, text: await readText(response) };
  } catch (error) {
    request.signal?.throwIfAborted();
    if (bodyError !== undefined) throw bodyError;
    throw unreachable(request.url, describeFailure(error as Error), error);
  }
};

const tlsOptions = ({ certificate: cert, key, authority: ca }: Credentials) => ({
  ...{ cert, key },
  ...(ca !== undefined && { ca }),
});

/** Exactly the announced bytes: with fewer the peer would wait, and more would be read as the next request. */
async function* exactly(
  { content, bytes }: Upload,
  onError: (error: unknown) => void,
): AsyncGenerator<Buffer> {
  let sent = 0;
  try {
    for await (const chunk of content) {
      sent += chunk.length;
      if (bytes !== undefined && sent > bytes) throw wrongLength(bytes, sent);
      yield chunk;
    }
    if (bytes !== undefined && sent < bytes) throw wrongLength(bytes, sent);
  } catch (error) {
    onError(error);
    throw error;
  }
}

const readText = async (response: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response) {
    size += chunk.length;
    if (size > ANSWER_LIMIT) throw new Error(`the answer is larger than ${ANSWER_LIMIT} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
};

const describeFailure = (error: NodeJS.ErrnoException): string => {
  const { code, message } = error;
  if (error instanceof HttpTimeout)
    return `${error.outcome === 'silent' ? 'it is silent' : 'it hangs'}: ${message}`;
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

/** No answer of an agent came from `url`. */
export const unreachable = (url: URL, why: string, cause?: unknown): ColdspareError =>
  new ColdspareError(
    'peer-unreachable',
    `the agent at ${url.host} cannot be reached: ${why}`,
    url.protocol === 'https:'
      ? `openssl s_client -connect ${url.host} from this node; check PEER_URL, TLS_CERT and TLS_CA of both nodes, and the network`
      : `curl ${url.origin}/health from this node; check PEER_URL, the other agent and the network`,
    { cause, value: why },
  );

const wrongLength = (bytes: number, sent: number): ColdspareError =>
  new ColdspareError(
    'backup-unusable',
    `the dump has ${sent < bytes ? `only ${sent}` : 'more than the'} bytes of its manifest (${bytes})`,
    'the file has changed on disk: take a new backup with POST /backups',
    { value: sent },
  );
