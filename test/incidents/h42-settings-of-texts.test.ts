import { Readable } from 'node:stream';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { dump } from '../contract/stack-contract.js';
import { type HostHarness, makeHostHarness } from '../support/host-harness.js';
import { describePostgres } from '../support/postgres.js';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const never = new AbortController().signal;

describePostgres('H42: the other server reads a text differently', () => {
  let harness: HostHarness;
  beforeAll(async () => {
    harness = await makeHostHarness();
  });
  afterAll(async () => {
    await harness?.cluster.psql('ALTER SYSTEM RESET ALL; SELECT pg_reload_conf()').catch(() => {});
    await harness?.cleanup();
  });
  beforeEach(() => harness.reset());

  test('the settings of the dump hold in its restore', async () => {
    const { stack, cluster } = harness;
    await cluster.psql(
      "CREATE TABLE lists (names text[]); INSERT INTO lists VALUES ('{a,NULL}')",
      'shop',
    );
    const { manifest, content, facts } = await dump(stack.database);
    // On the other server. There a NULL in an array is the word "NULL".
    await cluster.psql('ALTER SYSTEM SET array_nulls = off');
    await cluster.psql('SELECT pg_reload_conf()');
    await stack.database.restore(Readable.from([content]), manifest, never);
    expect(await cluster.psql('SELECT names[2] IS NULL FROM lists', 'shop_incoming')).toBe('t\n');
    expect(facts.surroundings.textSettings).toMatchObject({ array_nulls: 'on' });
    // There is no money here, so nobody needs the locale of the other server.
    expect(facts.surroundings.textSettings).not.toHaveProperty('lc_monetary');
  });

  test('a server that cannot read the amounts restores none', async () => {
    const { stack, cluster } = harness;
    await cluster.psql('CREATE TABLE bill (total money); INSERT INTO bill VALUES (234.56)', 'shop');
    const { manifest, content, facts } = await dump(stack.database);
    const textSettings = facts.surroundings.textSettings ?? {};
    expect(textSettings).toHaveProperty('lc_monetary');
    const elsewhere = {
      ...manifest,
      surroundings: {
        ...facts.surroundings,
        textSettings: { ...textSettings, lc_monetary: 'xx_XX.utf8' },
      },
    };
    await expect(
      stack.database.restore(Readable.from([content]), elsewhere, never),
    ).rejects.toMatchObject({
      code: 'database-failed',
      message: expect.stringContaining('lc_monetary'),
      remedy: expect.stringContaining('install the locale xx_XX.utf8'),
    });
  });
});
