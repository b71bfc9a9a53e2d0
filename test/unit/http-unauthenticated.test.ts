import { afterAll, beforeAll, expect, test } from 'vitest';
import { ROUTES } from '../../src/http/app.js';
import { type Service, startService, TOKENS } from '../support/http.js';

const PEER = 'http://10.99.0.2:8080';

let service: Service;
beforeAll(async () => {
  const settings = { peerUrl: PEER, witnessUrl: 'https://witness.example/' };
  service = await startService('primary', { settings });
});
afterAll(() => service.close());

/** Keys, addresses, paths and traces: what only the log may hold. */
const secrets = (): string[] => [
  ...Object.values(TOKENS),
  ...[service.directory, PEER, 'witness.example', process.version, process.cwd()],
  ...['node_modules', '.js:', '.ts:', 'at async', 'Error:', 'node-server', 'hono'],
];

const whole = ({ headers, body }: Awaited<ReturnType<Service['ask']>>): string =>
  JSON.stringify([...headers]) + (typeof body === 'string' ? body : JSON.stringify(body));

const SEARCHED = [
  ...ROUTES.filter(({ clients }) => clients.length === 0).map(({ path }) => ['GET', path] as const),
  ...(['/status', '/backups', '/operations'] as const).map((path) => ['GET', path] as const),
  ['GET', '/nothing/here'],
  ['DELETE', '/status'],
  ['POST', '/promote'],
  ['PUT', '/backups/..%2f..%2fetc%2fpasswd'],
] as const;

test.each(SEARCHED)('%s %s shows no secret without a key', async (method, path) => {
  const answer = await service.ask(method, path);
  for (const secret of secrets()) expect(whole(answer)).not.toContain(secret);
  expect(answer.headers.get('server')).toBeNull();
  expect(answer.headers.get('x-powered-by')).toBeNull();
  expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
  expect(answer.headers.get('x-frame-options')).toBe('DENY');
  expect(answer.headers.get('referrer-policy')).toBe('no-referrer');
});

test('an unexpected error is logged and not shown', async () => {
  service.node.stack.app.check = () => {
    throw new Error(`the secret is ${service.directory}`);
  };
  const answer = await service.ask('GET', '/status', { client: 'admin' });
  expect(answer).toMatchObject({ status: 500, body: { code: 'internal' } });
  for (const secret of secrets()) expect(whole(answer)).not.toContain(secret);
  expect(service.logged).toContainEqual(
    expect.objectContaining({ level: 'error', message: 'a request failed unexpectedly' }),
  );
});

test('/status shows no key, not even to the operator', async () => {
  const answer = await service.ask('GET', '/status', { client: 'admin' });
  for (const token of Object.values(TOKENS)) expect(whole(answer)).not.toContain(token);
});
