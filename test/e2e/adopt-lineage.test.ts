import { afterEach, beforeEach, expect, test } from 'vitest';
import { eventually, type Machine, type Pair, serves, startPair, TOKENS } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';

describePostgres('a person makes other data the production data', () => {
  let pair: Pair;
  let old: string;
  beforeEach(async () => {
    pair = await startPair({ env: { BACKUP_KEEP: '1' } });
    const { vcl2 } = pair;
    await vcl2.write('an order of the old database');
    const { body } = await vcl2.run('/backups');
    old = String(body.result?.backup);
    // Nobody asks the agents: the database is made anew, and has to be this one from now on.
    vcl2.killApp();
    await vcl2.database.psql('DROP DATABASE ledger WITH (FORCE)');
    await vcl2.database.psql('CREATE DATABASE ledger');
  });
  afterEach(() => pair?.remove());

  const reason = 'the old data was that of a trial';
  const idsOf = async ({ agent }: Machine) => {
    const { body } = await agent.get<Record<'backups' | 'quarantined', { id: string }[]>>(
      '/backups',
      TOKENS.admin,
    );
    return { backups: body.backups.map(({ id }) => id), quarantined: body.quarantined.length };
  };

  test('in one word on each node; the old backups stay, and are not restored', async () => {
    const { vcl2, vcl3 } = pair;
    const { lineage: before } = await vcl3.agent.status();

    // A slip of the hand is not enough as long as the old data can be had back.
    expect(await vcl2.run('/adopt')).toMatchObject({
      status: 400,
      body: { code: 'invalid-request' },
    });
    expect(await vcl2.run('/adopt', { reason })).toMatchObject({
      status: 409,
      body: { code: 'foreign-lineage', detail: expect.stringContaining(old) },
    });
    expect(await vcl2.entries()).toBeUndefined();

    const adopted = await vcl2.run('/adopt', { reason, force: true });
    expect(adopted.body).toMatchObject({ kind: 'adopt', state: 'done', reason });
    const lineage = adopted.body.result?.lineage;
    expect(lineage).not.toBe(before);
    expect(await vcl2.agent.status()).toMatchObject({ mode: 'primary', epoch: 1, lineage });
    expect(await vcl2.entries()).toEqual(['SEED']);
    await vcl2.write('an order of the new one');

    // VCL3 has not been told, and goes on keeping what it has.
    const refused = await vcl2.run('/backups');
    expect(refused.body).toMatchObject({ code: 'peer-refused' });
    expect(await idsOf(vcl3)).toEqual({ backups: [old], quarantined: 1 });

    expect((await vcl3.run('/adopt', { reason })).body).toMatchObject({ code: 'foreign-lineage' });
    await vcl3.do('/adopt', { reason, force: true });
    expect(await vcl3.agent.status()).toMatchObject({ lineage, latestBackup: null });

    // Twice, so that BACKUP_KEEP=1 has something to let go: the new data's first, not the old one.
    await vcl2.do('/backups');
    const newest = (await vcl2.do('/backups')).result?.backup;
    for (const machine of [vcl2, vcl3])
      expect((await idsOf(machine)).backups.sort()).toEqual([old, newest].sort());
    await vcl2.losePower();
    expect(await vcl3.do('/promote')).toMatchObject({ result: { backup: newest } });
    expect(await vcl3.entries()).toEqual(['SEED', 'an order of the new one']);
  });

  test('until the new data has a backup, a standby that was told takes nothing over', async () => {
    const { vcl2, vcl3 } = pair;
    await vcl2.do('/adopt', { reason, force: true });
    await vcl3.do('/adopt', { reason, force: true });
    await vcl2.losePower();

    expect(await vcl3.run('/promote', { force: true })).toMatchObject({
      status: 409,
      body: { code: 'no-backup' },
    });
    expect((await idsOf(vcl3)).backups).toEqual([old]);
  });

  test('a primary that did not serve it yet when its agent was killed serves it afterwards', async () => {
    const { vcl2 } = pair;
    for (const moment of ['before', 'after'] as const) {
      await vcl2.inject([{ label: 'adopt.adopt', moment, action: 'kill' }]);
      await vcl2.agent.post('/adopt', { reason, force: true });
      await vcl2.agent.exited();
      await vcl2.agent.start();
      const state = moment === 'before' ? 'rolled-back' : 'done';
      const record = await eventually('it is written down', () => vcl2.lastOperation('adopt'));
      expect(record).toMatchObject({ state, committed: state === 'done' });
    }
    await serves(vcl2);
    expect(await vcl2.entries()).toEqual(['SEED']);
  });

  test('a node that has promised not to serve adopts nothing', async () => {
    const { vcl2, vcl3 } = pair;
    await vcl3.agent.kill();
    const fence = { operation: 'a-promote-of-vcl3', epoch: 2 };
    await vcl2.agent.call('POST', '/fence', { token: TOKENS.peer, body: fence });

    const refused = await vcl2.run('/adopt', { reason, force: true });
    expect(refused).toMatchObject({
      status: 409,
      body: { code: 'yielding', value: fence.operation },
    });
  });
});
