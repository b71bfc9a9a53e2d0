import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runCommand } from '../../src/drivers/run-command.js';
import { eventually, type Machine, serves } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';
import { PROGRAMS } from '../support/postgres-tools.js';
import {
  hasReplayed,
  replicationOf,
  rowsOf,
  type StreamPair,
  startStreamPair,
  streams,
} from '../support/stream-pair.js';

describePostgres('a pair that is kept by streaming', () => {
  let pair: StreamPair;
  let vcl2: Machine;
  let vcl3: Machine;
  let startedAt: string;

  beforeAll(async () => {
    pair = await startStreamPair();
    ({ vcl2, vcl3 } = pair);
    startedAt = await started(vcl2);
  }, 180_000);
  afterAll(() => pair?.remove());

  const started = async ({ database }: Machine): Promise<string> =>
    (await database.psql('SELECT pg_postmaster_start_time()')).trim();

  const seedWay = async (machine: Machine): Promise<unknown> =>
    (await machine.lastOperation('seed', 'done'))?.result?.way;

  const stepsOf = async (machine: Machine, kind: 'handover' | 'promote'): Promise<string[]> =>
    ((await machine.lastOperation(kind))?.steps ?? []).map(({ name }) => name);

  test('the standby becomes a replica by itself, and nothing that serves is restarted', async () => {
    expect(await seedWay(vcl3)).toBe('copy');
    expect(await vcl2.write('one')).toBe(true);
    await hasReplayed(vcl3, 'one');
    expect(await vcl3.entries()).toBeUndefined();
    expect(await started(vcl2)).toBe(startedAt);
    expect((await replicationOf(vcl2)).state).toBe('sending');
    const { line, behindBytes, broken, proven } = await replicationOf(vcl3);
    expect({ line, behindBytes, broken }).toEqual({
      line: 'replica',
      behindBytes: expect.any(Number),
      broken: null,
    });
    expect(proven).toContain('compared with what the primary sent');
  });

  test('dumps go on, and are not restored beside a replica', async () => {
    await vcl2.do('/backups');
    const { latestBackup, prepared, problems } = await vcl3.agent.status();
    expect(latestBackup?.id).toMatch(/^ledger_/);
    expect({ prepared, problems }).toEqual({ prepared: null, problems: [] });
    expect((await replicationOf(vcl3)).proven).toContain('was not restored here');
    const refused = await vcl3.run('/drill');
    expect(refused.body).toMatchObject({ code: 'is-replica' });
  });

  test('a handover loses nothing and takes no dump, and the old primary follows without a copy', async () => {
    await vcl2.do('/demote');
    await serves(vcl3);
    expect(await vcl3.entries()).toEqual(['SEED', 'one']);
    expect(await stepsOf(vcl2, 'handover')).not.toContain('final-dump');
    expect(await vcl3.write('two')).toBe(true);
    await streams(vcl2);
    await hasReplayed(vcl2, 'two');
    expect(await seedWay(vcl2)).toBe('follow');
  });

  test('and back', async () => {
    await vcl3.do('/demote');
    await serves(vcl2);
    expect(await vcl2.entries()).toEqual(['SEED', 'one', 'two']);
    await streams(vcl3);
    expect(await seedWay(vcl3)).toBe('follow');
  });

  test('an app that is broken costs nothing: the fenced primary is drained', async () => {
    await vcl2.breakApp();
    const promoted = await vcl3.do('/promote');
    expect(promoted.result).toMatchObject({
      backup: null,
      lostSeconds: 0,
      loss: expect.stringContaining('nothing is lost'),
    });
    await serves(vcl3);
    await vcl2.mendApp();
    await streams(vcl2);
    expect(await seedWay(vcl2)).toBe('follow');
    await vcl3.do('/demote');
    await serves(vcl2);
    await streams(vcl3);
  });

  test('s04: the machine is lost, and it is said how far the replica was', async () => {
    expect(await vcl2.write('three')).toBe(true);
    await hasReplayed(vcl3, 'three');
    await eventually('the replica has heard of all of it', async () => {
      const { behindBytes, currentAt } = await replicationOf(vcl3);
      return behindBytes === 0 && currentAt !== null;
    });
    await vcl2.losePower();
    const dryRun = await vcl3.agent.post<{ loss: string; prepared: boolean }>('/promote', {
      dryRun: true,
      force: true,
    });
    expect(dryRun.body).toMatchObject({ prepared: true, backup: null });
    expect(dryRun.body.loss).toContain('the replica is current to');
    const promoted = await vcl3.do('/promote', { force: true });
    expect(promoted.result).toMatchObject({
      backup: null,
      loss: expect.stringContaining('it has everything that the primary was heard to have'),
    });
    await serves(vcl3);
    expect(await vcl3.entries()).toEqual(['SEED', 'one', 'two', 'three']);
  });

  test('the lost machine comes back: it has nothing of its own, and follows without a copy', async () => {
    expect(await vcl3.write('four')).toBe(true);
    await pair.start(vcl2);
    await streams(vcl2);
    await hasReplayed(vcl2, 'four');
    expect(await seedWay(vcl2)).toBe('follow');
    expect((await vcl2.databaseNames()).join()).not.toContain('diverged');
  });

  test('s03, s18: what only the lost machine has is kept and counted, before a copy takes its place', async () => {
    pair.to.vcl3.cut();
    expect(await vcl3.write('only on VCL3')).toBe(true);
    await vcl3.losePower();
    const promoted = await vcl2.do('/promote', { force: true });
    expect(promoted.result?.lostSeconds).toBeGreaterThanOrEqual(0);
    await serves(vcl2);
    expect(await vcl2.entries()).toEqual(['SEED', 'one', 'two', 'three', 'four']);
    pair.to.vcl3.heal();

    await pair.start(vcl3);
    await streams(vcl3);
    expect(await seedWay(vcl3)).toBe('copy');
    const standDown = await vcl3.lastOperation('stand-down', 'done');
    const setAside = standDown?.steps.find(({ name }) => name === 'set-aside');
    expect(setAside?.detail).toMatch(
      /kept as ledger_diverged_.*transactions? that the other node does not have/,
    );
    expect(await rowsOf(vcl3)).toEqual(await vcl2.entries());
    const kept = join(vcl3.directory, 'kept');
    const [file = ''] = await readdir(kept);
    expect(file).toMatch(/^ledger_diverged_\d+_\d+\.dump$/);
    const content = await runCommand(
      [`${PROGRAMS}/pg_restore`, '--data-only', '--table=entries', '--file=-', join(kept, file)],
      { timeout: 30_000 },
    );
    expect(content).toContain('only on VCL3');
  });
});
