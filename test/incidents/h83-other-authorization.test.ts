import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LIMIT } from '../../src/http/auth-rate-limit.js';
import { pingdom } from '../support/checkers.js';
import { type Service, startService, TOKENS } from '../support/http.js';

describe('H83: the key stands in the URL, and a proxy or the checker adds an Authorization of its own', () => {
  let standby: Service;
  beforeEach(async () => {
    standby = await startService('standby');
  });
  afterEach(() => standby.close());

  const body = pingdom('UP');
  const path = `/webhooks/pingdom?token=${TOKENS.webhook}`;

  const send = (Authorization: string) =>
    standby.ask('POST', path, { headers: { Authorization }, body });

  test.each([
    ...['Basic b3BzOnB3', 'Digest username="ops"', 'Token abc', 'Bearer', 'nonsense'],
    'Bearer the-key-of-something-else',
  ])('%s: the key in the URL counts', async (Authorization) => {
    expect((await send(Authorization)).status).toBe(200);
  });

  test('that is no wrong key, however often it comes', async () => {
    for (let time = 0; time <= LIMIT; time += 1)
      expect((await send('Basic b3BzOnB3')).status).toBe(200);
  });

  test('without a right key it is refused as before', async () => {
    const headers = { Authorization: `Basic ${TOKENS.webhook}` };
    for (const url of ['/webhooks/pingdom', '/webhooks/pingdom?token=wrong'])
      expect((await standby.ask('POST', url, { headers, body })).status).toBe(401);
    // Only webhooks take a key from the URL, and only theirs.
    for (const url of [`/status?token=${TOKENS.webhook}`, `/promote?token=${TOKENS.admin}`])
      expect((await standby.ask('POST', url, { headers, body })).status).not.toBe(200);
  });
});
