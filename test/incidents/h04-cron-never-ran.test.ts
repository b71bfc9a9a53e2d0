import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Announcements, receiveAnnouncements } from '../support/announcements.js';
import { eventually, type Machine, type Pair, startPair } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';

describePostgres('H04: backups were made on the day of the deploy and never again', () => {
  let pair: Pair;
  let owners: Announcements;
  beforeEach(async () => {
    owners = await receiveAnnouncements();
    // BACKUP_CRON of the tests is due once a year.
    pair = await startPair({ env: { BACKUP_MAX_AGE: '4s', NOTIFY_URLS: owners.url } });
  });
  afterEach(async () => {
    await pair?.remove();
    await owners.close();
  });

  const health = async ({ agent }: Machine) => (await agent.get('/health')).body;
  /** What the owners were told since the newest backup was well: on a busy machine there was an alarm before it. */
  const alarmsOf = (name: string) => {
    const told = owners.received.filter(
      ({ event, node }) => event === 'backup-stale' && node === name,
    );
    return told.slice(told.findLastIndex(({ over }) => over === true) + 1);
  };

  test('both nodes fail their health check and raise an alarm, and no old dump is served', async () => {
    const { vcl2, vcl3 } = pair;
    await vcl2.do('/backups', { reason: 'day of the deploy' });
    await vcl2.write('long after the deploy');

    for (const machine of [vcl2, vcl3]) {
      await eventually('the health check fails', async () => {
        const { status } = await machine.agent.get('/health');
        return status === 503;
      });
      expect(await health(machine)).toMatchObject({
        status: 'failing',
        problems: ['backup-stale'],
      });
    }
    for (const name of ['vcl2', 'vcl3'])
      await eventually(`${name} has told the owners`, async () => alarmsOf(name).length === 1);

    await vcl2.losePower();
    const failover = await vcl3.run('/promote');
    expect(failover.body).toMatchObject({ code: 'backup-too-old' });
    expect(await vcl3.entries()).toBeUndefined();
    // Told once, not at every check.
    for (const name of ['vcl2', 'vcl3']) expect(alarmsOf(name)).toHaveLength(1);
  });

  test('VCL3 is set up anew: it gets the newest backup within seconds, and not with the next tick', async () => {
    const { vcl2, vcl3 } = pair;
    const { result } = await vcl2.do('/backups');
    await vcl3.agent.kill();
    for (const kept of ['backups', 'state.json', 'operations'])
      await rm(join(vcl3.directory, kept), { recursive: true });
    await vcl3.agent.start();
    expect((await vcl3.agent.status()).latestBackup).toBeNull();
    await eventually('it has it', async () => {
      const { latestBackup } = await vcl3.agent.status();
      return latestBackup?.id === result?.backup;
    });
  });

  test('a fresh backup makes both well again', async () => {
    const { vcl2, vcl3 } = pair;
    await eventually('VCL3 fails', async () => (await vcl3.agent.get('/health')).status === 503);
    await vcl2.do('/backups');
    for (const machine of [vcl2, vcl3])
      expect(await health(machine)).toMatchObject({ status: 'ok', problems: [] });
  });
});
