import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runCommand } from '../../src/drivers/run-command.js';
import { eventually, type Machine, serves } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';
import { PROGRAMS } from '../support/postgres-tools.js';
import { hasReplayed, type StreamPair, startStreamPair, streams } from '../support/stream-pair.js';

describePostgres('S15: a replica holds writes that the primary does not have', () => {
  let pair: StreamPair;
  let vcl2: Machine;
  let vcl3: Machine;

  beforeAll(async () => {
    pair = await startStreamPair();
    ({ vcl2, vcl3 } = pair);
  }, 180_000);
  afterAll(() => pair?.remove());

  const seedsOf = async ({ agent }: Machine) =>
    (await agent.operations()).filter(({ kind, state }) => kind === 'seed' && state === 'done');

  /** Waits for another seed than the first `seeds`, and resolves to the rows of the database that it has kept. */
  const keptBy = async (machine: Machine, seeds: number): Promise<string> => {
    await eventually('it was seeded anew', async () => (await seedsOf(machine)).length > seeds);
    const [newest] = await seedsOf(machine);
    const [file = ''] = (newest?.result?.kept ?? []) as string[];
    const argv = ['--data-only', '--table=entries', '--file=-', file];
    return runCommand([join(PROGRAMS ?? '', 'pg_restore'), ...argv], { timeout: 30_000 });
  };

  const copyFiles = (from: string, to: string) =>
    runCommand(['cp', '-a', from, to], { timeout: 60_000 });

  test('somebody promotes the replica of the first primary by hand: what was written there is kept', async () => {
    await vcl2.do('/demote');
    await serves(vcl3);
    await streams(vcl2);
    const before = (await seedsOf(vcl2)).length;
    await vcl2.database.psql('SELECT pg_promote()');
    await vcl2.database.psql("INSERT INTO entries (text) VALUES ('written by hand')", 'ledger');
    expect(await keptBy(vcl2, before)).toContain('written by hand');
    await streams(vcl2);
  });

  test('the primary is set back to an old image: it serves nobody, and the replica takes over with what it lacks', async () => {
    const directory = (await vcl3.database.psql('SHOW data_directory')).trim();
    await vcl3.losePower();
    await copyFiles(directory, `${directory}.image`);
    await vcl3.database.start();
    await pair.start(vcl3);
    await serves(vcl3);
    await streams(vcl2);
    await vcl3.write('after the image');
    await hasReplayed(vcl2, 'after the image');

    await vcl3.losePower();
    await rm(directory, { recursive: true });
    await copyFiles(`${directory}.image`, directory);
    await vcl3.database.start();
    await pair.start(vcl3);
    await eventually(
      'it has noticed that',
      async () => (await vcl3.agent.status()).mode === 'standby',
    );
    expect(await vcl3.entries()).toBeUndefined();
    await vcl2.do('/promote', { force: true });
    await serves(vcl2);
    expect(await vcl2.entries()).toContain('after the image');
    await streams(vcl3);
  });
});
