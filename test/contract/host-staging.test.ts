import { existsSync } from 'node:fs';
import { getPriority } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { createHostStack } from '../../src/drivers/host/stack.js';
import { type HostHarness, makeHostHarness } from '../support/host-harness.js';
import { describePostgres } from '../support/postgres.js';
import { listPids, runsAs } from '../support/processes.js';
import { dump } from './stack-contract.js';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const never = new AbortController().signal;

describePostgres('host stack: databases beside the live one', () => {
  let harness: HostHarness;
  beforeAll(async () => {
    harness = await makeHostHarness();
  });
  afterAll(() => harness?.cleanup());
  beforeEach(() => harness.reset());

  test('a query about a drilled database means nothing to psql, and has only so much time', async () => {
    const { database } = harness.stack;
    const { manifest, content } = await dump(database);
    await database.restore(Readable.from([content]), manifest, never, { staging: 'drill' });
    const witness = join(harness.directory, 'witness');
    for (const sql of [
      `SELECT true \\! touch ${witness}`,
      `SELECT true\n;\n\\! touch ${witness}`,
      `SELECT true) q; \\! touch ${witness}`,
    ])
      await expect(database.answer(sql, 20_000, never)).rejects.toMatchObject({
        code: 'database-failed',
      });
    expect(existsSync(witness)).toBe(false);
    const began = performance.now();
    await expect(
      database.answer('SELECT pg_sleep(50) IS NOT NULL', 500, never),
    ).rejects.toMatchObject({
      code: 'database-failed',
      message: expect.stringContaining('statement timeout'),
    });
    expect(performance.now() - began).toBeLessThan(40_000);
  });

  test('what nobody waits for is restored at the lowest priority', async () => {
    const { database } = harness.stack;
    const { manifest, content } = await dump(database);
    const stuck = new PassThrough();
    stuck.write(content.subarray(0, 500));
    const calledOff = new AbortController();
    const restore = database.restore(stuck, manifest, calledOff.signal, { gently: true });
    const priorities = () =>
      listPids()
        .filter((pid) => runsAs(pid, 'pg_restore') && runsAs(pid, `port='${harness.cluster.port}'`))
        .map((pid) => getPriority(pid));
    await expect.poll(priorities, { timeout: 20_000 }).toEqual([19]);
    calledOff.abort(new Error('called off'));
    await expect(restore).rejects.toThrow('called off');
  });

  test('a user who may not ask where the databases lie does not know the free space', async () => {
    await harness.cluster.psql("CREATE ROLE barista LOGIN PASSWORD 'milk'");
    const { database } = createHostStack({
      ...harness.options,
      database: { ...harness.options.database, user: 'barista', password: 'milk' },
    });
    expect(await database.answers()).toBe(true);
    expect(await database.freeSpace()).toBeUndefined();
    await harness.cluster.psql('DROP ROLE barista');
  });
});
