import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DUMP, manifestOf, type Service, startService } from '../support/http.js';
import { planOf } from '../support/plans.js';

/** A runbook has one Idempotency-Key in it, and is used at each outage. */
describe('H54: the runbook promotes with the Idempotency-Key of an earlier outage', () => {
  const DAY = 24 * 60 * 60_000;
  const headers = { 'Idempotency-Key': 'runbook', Prefer: 'wait=10' };
  const promote = () => standby.ask('POST', '/promote', { client: 'admin', headers });

  let standby: Service;
  beforeEach(async () => {
    standby = await startService('standby');
  });
  afterEach(() => standby.close());

  const pass = (ms: number) => {
    const { clock } = standby.node;
    const now = clock.now.bind(clock);
    clock.now = () => now() + ms;
  };
  const giveBackup = async (epoch: number) => {
    const takenAt = new Date(standby.node.clock.now()).toISOString();
    const manifest = manifestOf(DUMP, { takenAt, epoch, id: `ledger_20261122_12000${epoch}` });
    await standby.ask('PUT', `/backups/${manifest.id}`, { client: 'peer', body: DUMP });
    await standby.ask('POST', `/backups/${manifest.id}/commit`, { client: 'peer', body: manifest });
  };
  /** VCL2 got the role back, and pushes. */
  const giveRoleBack = async () => {
    await standby.node.state.apply('superseded', 3);
    standby.app.runs = false;
    await giveBackup(3);
  };

  test('a minute later, while VCL3 serves: it is the same operation', async () => {
    await giveBackup(1);
    const first = await promote();
    pass(60_000);
    expect(await promote()).toMatchObject({ status: 200, body: { id: first.body.id } });
  });

  test.each([
    ['an hour', 60 * 60_000],
    ['a month', 30 * DAY],
  ])('%s later, at the next outage: VCL3 takes over', async (_what, ms) => {
    await giveBackup(1);
    const first = await promote();
    expect(first.status).toBe(200);
    pass(ms);
    await giveRoleBack();
    const second = await promote();
    expect(second).toMatchObject({ status: 200, body: { state: 'done' } });
    expect(second.body.id).not.toBe(first.body.id);
    expect(standby.node.state.current.mode).toBe('primary');
    expect((await promote()).body.id).toBe(second.body.id);
  });

  test('after a promote that was refused, for want of a backup: VCL3 takes over', async () => {
    expect(await promote()).toMatchObject({ status: 409, body: { code: 'no-backup' } });
    await giveBackup(1);
    expect(await promote()).toMatchObject({ status: 200, body: { state: 'done' } });
  });

  describe('of a handover', () => {
    const demote = () =>
      standby.ask('POST', '/demote', { client: 'admin', headers: { ...headers, ...KEY } });
    const KEY = { 'Idempotency-Key': 'upgrade' };
    beforeEach(async () => {
      await giveBackup(1);
      await promote();
    });

    test('that is done: VCL3, which has the role again, begins another one', async () => {
      const { runner } = standby.node;
      const done = planOf([{ name: 'offer', run: async () => undefined }], { kind: 'handover' });
      const { id } = await runner.start(done, { source: 'operator', idempotencyKey: 'upgrade' });
      await runner.wait(id, 1_000);
      expect((await demote()).body).toMatchObject({
        code: 'peer-not-ready',
        operation: expect.not.stringContaining(id),
      });
    });

    test('that failed: the writes are not frozen again before the key has expired', async () => {
      const { operation } = (await demote()).body;
      expect((await demote()).body.operation).toBe(operation);
      pass(DAY + 1_000);
      expect((await demote()).body.operation).not.toBe(operation);
    });
  });

  test('a key that is a day old belongs to no kind of operation any more', async () => {
    await giveBackup(1);
    await promote();
    const drill = () => standby.ask('POST', '/drill', { client: 'admin', headers });
    expect((await drill()).body.code).toBe('idempotency-conflict');
    pass(DAY + 1_000);
    expect((await drill()).body.code).not.toBe('idempotency-conflict');
  });
});
