import { afterEach, beforeEach, expect, test } from 'vitest';
import type { OperationRecord } from '../../src/domain/operation.js';
import { eventually, type Machine, type Pair, startPair, TOKENS } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';
import { pushDump, readBackup } from '../support/push-dump.js';

/** Restoring its index takes long enough for something to come in between. */
const MUCH_DATA = `CREATE TABLE notes AS SELECT md5(random()::text) AS text FROM generate_series(1, 300000);
  CREATE INDEX ON notes (text)`;
const BROKEN = 'ledger_20991231_235959';

const backUp = async (machine: Machine): Promise<string> =>
  String((await machine.do('/backups')).result?.backup);

const prepares = (machine: Machine, backup: string) =>
  eventually(
    `${machine.agent.name} has prepared ${backup}`,
    async () => {
      const { prepared, operation } = await machine.agent.status();
      return prepared === backup && operation === null;
    },
    60_000,
  );

const detailOf = (record: OperationRecord, step: string): string | null | undefined =>
  record.steps.find(({ name }) => name === step)?.detail;

describePostgres('VCL3 restores each backup when it arrives', () => {
  let pair: Pair;
  beforeEach(async () => {
    pair = await startPair({ env: { PREPARE: 'on-receive' } });
    await pair.vcl2.write('an order');
  });
  afterEach(() => pair?.remove());

  test("VCL2's machine is lost: VCL3 only opens what lies there, cold and proven", async () => {
    const { vcl2, vcl3 } = pair;
    const older = await backUp(vcl2);
    await prepares(vcl3, older);
    await vcl2.write('another order');
    const newest = await backUp(vcl2);
    await prepares(vcl3, newest);
    await expect(vcl3.database.psql('SELECT 1')).rejects.toThrow(/Connection refused/);
    expect((await vcl3.agent.status()).latestBackup).toMatchObject({
      id: newest,
      proof: { error: null, took: expect.any(Number) },
    });

    await vcl2.losePower();
    const promote = await vcl3.do('/promote');
    expect(promote.result).toMatchObject({ backup: newest, replacedDatabase: null });
    expect(detailOf(promote, 'restore')).toBe(`${newest} is restored already`);
    expect(await vcl3.entries()).toEqual(['SEED', 'an order', 'another order']);
    expect(await vcl3.write('and one more')).toBe(true);
  });

  test('a promote that arrives in the middle goes on with the restore that is under way', async () => {
    const { vcl2, vcl3 } = pair;
    await vcl2.database.psql(MUCH_DATA, 'ledger');
    const backup = await backUp(vcl2);
    const half = await eventually('VCL3 is in the middle of it', async () => {
      const numbers = await vcl3.database.psql(
        `SELECT oid FROM pg_database WHERE datname = 'ledger_incoming'`,
      );
      return numbers.trim() || undefined;
    });
    await vcl2.losePower();

    const promote = await vcl3.do('/promote');
    expect(promote.result).toMatchObject({ backup });
    expect(await vcl3.lastOperation('prepare')).toMatchObject({
      state: 'rolled-back',
      error: { code: 'preempted' },
    });
    const live = await vcl3.database.psql(`SELECT oid FROM pg_database WHERE datname = 'ledger'`);
    expect(live.trim()).toBe(half);
    expect(await vcl3.database.psql('SELECT count(*) FROM notes', 'ledger')).toBe('300000\n');
    expect(await vcl3.entries()).toEqual(['SEED', 'an order']);
  });

  test('a backup that cannot be restored is an alarm on both servers, and the older one stays in place', async () => {
    const { vcl2, vcl3 } = pair;
    const good = await backUp(vcl2);
    await prepares(vcl3, good);
    const { manifest, dump } = await readBackup(vcl3, good);
    const rows = { ...manifest.inventory?.rows, 'public.entries': 3 };
    await pushDump(
      vcl3,
      {
        ...manifest,
        id: BROKEN,
        sequence: manifest.sequence + 1,
        inventory: { rows, sequences: {}, largeObjects: 0 },
      },
      dump,
    );

    const health = (machine: Machine) => machine.agent.get<{ problems: string[] }>('/health');
    await eventually('both say so', async () => {
      const [theirs, ours] = await Promise.all([health(vcl2), health(vcl3)]);
      return (
        theirs.body.problems.includes('peer-cannot-restore') &&
        ours.body.problems.includes('backup-unusable')
      );
    });
    expect((await vcl3.agent.status()).prepared).toBe(good);
    const { body } = await vcl3.agent.get<{ backups: { id: string; proof: unknown }[] }>(
      '/backups',
      TOKENS.admin,
    );
    expect(body.backups.map(({ id, proof }) => [id, proof])).toEqual([
      [BROKEN, expect.objectContaining({ error: expect.stringContaining('expected 3 rows') })],
      [good, expect.objectContaining({ error: null })],
    ]);

    await vcl2.losePower();
    const promote = await vcl3.do('/promote');
    expect(promote.result).toMatchObject({ backup: good, rejectedBackups: [{ id: BROKEN }] });
    expect(promote.steps.findLast(({ name }) => name === 'restore')?.detail).toBe(
      `${good} is restored already`,
    );
    expect(await vcl3.entries()).toEqual(['SEED', 'an order']);
  });
});
