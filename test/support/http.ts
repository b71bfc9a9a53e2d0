import { createHash } from 'node:crypto';
import type { Manifest } from '../../src/domain/manifest.js';
import { createApp } from '../../src/http/app.js';
import { createMetrics } from '../../src/http/metrics/metrics.js';
import { type HttpServer, serveHttp } from '../../src/http/server.js';
import type { CredentialFiles } from '../../src/ports/credentials.js';
import { checkAnswer } from './contract.js';
import { createFakeNode, type FakeNode, LINEAGE } from './fake-node.js';

export const TOKENS = {
  peer: 'the-key-of-the-peer-0123456789abcdef',
  admin: 'the-key-of-the-admin-0123456789abcdef',
  webhook: 'the-key-of-the-webhook-0123456789abc',
};
export type Client = keyof typeof TOKENS;

// biome-ignore lint/suspicious/noExplicitAny: what a test looks for in a body is the test's business
type Body = any;

interface Reply {
  status: number;
  headers: Headers;
  body: Body;
}

export interface Asked {
  client?: Client;
  headers?: Record<string, string>;
  /** An object goes as JSON, anything else as it is. */
  body?: object | string | Uint8Array;
}

export interface Service extends FakeNode {
  url: string;
  ask(method: string, path: string, asked?: Asked): Promise<Reply>;
  /** Stops the server and removes the node. */
  close(): Promise<void>;
}

/** A fake node behind the real HTTP service, on a real port; with `credentials`, over TLS. */
export const startService = async (
  role: 'primary' | 'standby',
  {
    credentials,
    ...options
  }: Parameters<typeof createFakeNode>[1] & { credentials?: CredentialFiles } = {},
): Promise<Service> => {
  const fake = await createFakeNode(role, options);
  const app = createApp({ node: fake.node, tokens: TOKENS, metrics: createMetrics(fake.node) });
  const server: HttpServer = await serveHttp(app, { host: '127.0.0.1', port: 0, credentials });
  const url = `${credentials === undefined ? 'http' : 'https'}://127.0.0.1:${server.port}`;
  return {
    ...fake,
    url,
    ask: (method, path, asked = {}) => ask(method, `${url}${path}`, asked),
    close: async () => {
      await server.close();
      await fake.remove();
    },
  };
};

/** Compares every answer of every test with the OpenAPI document. */
const ask = async (
  method: string,
  url: string,
  { client, headers = {}, body }: Asked,
): Promise<Reply> => {
  const isJson = typeof body === 'object' && !(body instanceof Uint8Array);
  const response = await fetch(url, {
    method,
    headers: {
      ...(client && { Authorization: `Bearer ${TOKENS[client]}` }),
      ...(isJson && { 'Content-Type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: isJson ? JSON.stringify(body) : body }),
  });
  const text = await response.text();
  const type = response.headers.get('content-type') ?? '';
  const reply = {
    status: response.status,
    headers: response.headers,
    body: type.includes('json') && text !== '' ? JSON.parse(text) : text,
  };
  checkAnswer(method, new URL(url).pathname, reply);
  return reply;
};

const TAKEN_AT = new Date().toISOString();

/** The manifest of `content` as a backup of the tests' lineage. */
export const manifestOf = (content: string, more: Partial<Manifest> = {}): Manifest => ({
  id: 'ledger_20261122_120000',
  database: 'ledger',
  node: 'vcl2',
  takenAt: TAKEN_AT,
  epoch: 1,
  sequence: 1,
  lineage: LINEAGE,
  format: 'custom',
  bytes: Buffer.byteLength(content),
  sha256: createHash('sha256').update(content).digest('hex'),
  serverVersion: '15.8',
  inventory: { rows: JSON.parse(content), sequences: {}, largeObjects: 0 },
  ...more,
});

/** A dump that the fake database can restore. */
export const DUMP = JSON.stringify({ 'public.entries': 3 });
