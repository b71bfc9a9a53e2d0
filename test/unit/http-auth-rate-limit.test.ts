import { afterEach, beforeEach, expect, test } from 'vitest';
import { createAuthRateLimit, LIMIT } from '../../src/http/auth-rate-limit.js';
import { type Service, startService } from '../support/http.js';

const WRONG = { headers: { Authorization: 'Bearer an-unknown-key-0123456789abcdefghij' } };

let service: Service;
let now = 0;
beforeEach(async () => {
  now = 0;
  service = await startService('standby');
  service.node.clock.elapsed = () => now;
});
afterEach(() => service.close());

const tryKeys = async (times: number): Promise<number[]> => {
  const statuses: number[] = [];
  for (let count = 0; count < times; count += 1)
    statuses.push((await service.ask('POST', '/promote', WRONG)).status);
  return statuses;
};

test('one wrong key too many within a minute is told how long to wait', async () => {
  expect(await tryKeys(LIMIT)).toEqual(Array(LIMIT).fill(401));
  now = 20_000;
  const { status, headers, body } = await service.ask('POST', '/promote', WRONG);
  expect(status).toBe(429);
  expect(headers.get('retry-after')).toBe('40');
  expect(headers.get('content-type')).toBe('application/problem+json');
  expect(body).toMatchObject({ code: 'too-many-attempts', status: 429, value: 40 });
  now = 60_000;
  expect(await tryKeys(1)).toEqual([401]);
});

test('in the middle of a flood every right key from the same address works, and none is counted', async () => {
  await tryKeys(50);
  for (let count = 0; count < 20; count += 1) {
    expect((await service.ask('GET', '/status', { client: 'admin' })).status).toBe(200);
    expect((await service.ask('GET', '/status', { client: 'peer' })).status).toBe(200);
    const asked = { client: 'webhook' as const, body: { event: 'up' } };
    expect((await service.ask('POST', '/webhooks/generic', asked)).status).toBe(200);
    expect((await service.ask('GET', '/primary')).status).toBe(503);
  }
});

test('a request without a key does not count', async () => {
  for (let count = 0; count <= LIMIT; count += 1)
    expect((await service.ask('POST', '/promote')).status).toBe(401);
  expect(await tryKeys(1)).toEqual([401]);
  expect((await service.ask('POST', '/promote?token=wrong')).status).toBe(401);
  expect((await tryKeys(LIMIT)).at(-1)).toBe(429);
});

test('a flood leaves one line a minute, and never its keys', async () => {
  await tryKeys(100);
  await service.ask('POST', '/nothing-here');
  now = 60_000;
  await tryKeys(3);
  expect(service.logged).toEqual([
    {
      ...{ level: 'warn', message: 'requests with a wrong key' },
      data: { address: '127.0.0.1', attempts: 1 },
    },
    {
      ...{ level: 'warn', message: 'requests with a wrong key' },
      data: { address: '127.0.0.1', attempts: 100 },
    },
  ]);
});

test('an address in X-Forwarded-For does not count', async () => {
  for (let count = 0; count < LIMIT; count += 1) {
    const headers = { ...WRONG.headers, 'X-Forwarded-For': `10.0.0.${count}` };
    await service.ask('POST', '/promote', { headers });
  }
  expect(await tryKeys(1)).toEqual([429]);
});

test('of a million addresses the last thousand are remembered', () => {
  const log = { info: () => {}, warn: () => {}, error: () => {} };
  const count = createAuthRateLimit({ clock: { ...service.node.clock, elapsed: () => now }, log });
  const fill = (address: string) => {
    for (let times = 0; times < LIMIT; times += 1) count(address);
  };
  fill('the first');
  fill('the second');
  for (let number = 0; number < 999; number += 1) count(`${number}`);
  expect(() => count('the first')).not.toThrow();
  for (let number = 0; number < 1_000_000; number += 1) count(`${number % 997}-${number}`);
  fill('the last');
  expect(() => count('the last')).toThrow(
    expect.objectContaining({ code: 'too-many-attempts', value: 60 }),
  );
});
