import { afterEach, expect, test } from 'vitest';
import {
  eventually,
  type Machine,
  type Pair,
  serves,
  standsBy,
  startPair,
  TOKENS,
} from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';

/** As the agent names itself: a message of another one would be refused for that (H37). */
const instanceOf = async ({ agent }: Machine): Promise<string> =>
  (await agent.call('GET', '/health')).headers.get('coldspare-instance') ?? '';

describePostgres('H14: VCL2 boots after an outage and ships its stale database', () => {
  let pair: Pair;
  afterEach(() => pair?.remove());

  test('VCL3 refuses it, VCL2 learns that it is superseded, and the newest backup stays', async () => {
    pair = await startPair();
    const { vcl2, vcl3, link } = pair;
    await vcl2.do('/backups');
    await vcl2.losePower();
    await vcl3.do('/promote');
    await vcl3.write('during the outage');
    const backupsOnVcl3 = async () => (await vcl3.agent.get('/backups', TOKENS.admin)).body;
    const before = await backupsOnVcl3();

    // It boots before its network is up: alone, it takes itself for the primary, and its cron makes a dump.
    link.cut();
    await vcl2.agent.start();
    await serves(vcl2);
    expect(await vcl2.agent.status()).toMatchObject({ mode: 'primary', epoch: 1 });
    await vcl2.agent.post('/backups', { reason: 'cron' });
    await eventually('it is on its way', async () => {
      const { operation } = await vcl2.agent.status();
      return operation?.steps.at(-1)?.name === 'push';
    });

    link.heal();
    await eventually('VCL2 learns it', async () => (await vcl2.agent.status()).epoch === 2);
    await standsBy(vcl2);
    expect(await backupsOnVcl3()).toEqual(before);

    // What a sender of the past is told that does not ask first.
    const push = await vcl3.agent.call('PUT', '/backups/ledger_20991231_235959', {
      token: TOKENS.peer,
      headers: { 'coldspare-epoch': '1', 'coldspare-instance': await instanceOf(vcl2) },
      body: 'a stale dump',
    });
    expect(push).toMatchObject({ status: 409, body: { code: 'stale-epoch' } });
    expect(push.headers.get('coldspare-epoch')).toBe('2');
    expect(await backupsOnVcl3()).toEqual(before);
    expect(await vcl3.entries()).toEqual(['SEED', 'during the outage']);
  });

  test('a backup of a past epoch is refused as well when VCL3 is a standby again', async () => {
    pair = await startPair();
    const { vcl2, vcl3 } = pair;
    const { result } = await vcl2.do('/backups');
    const stale = (await vcl3.agent.get<object>(`/backups/${result?.backup}`, TOKENS.peer)).body;
    await vcl2.breakApp();
    await vcl3.do('/promote');
    await vcl2.mendApp();
    await standsBy(vcl2);
    await vcl3.do('/demote');
    await standsBy(vcl3);

    const id = 'ledger_20991231_235959';
    const commit = await vcl3.agent.call('POST', `/backups/${id}/commit`, {
      token: TOKENS.peer,
      body: { ...stale, id, sequence: 1_000 },
    });
    expect(commit).toMatchObject({ status: 409, body: { code: 'stale-epoch' } });
    const { epoch, latestBackup } = await vcl3.agent.status();
    expect(epoch).toBe(3);
    expect(latestBackup?.epoch).toBe(2);
  });
});
