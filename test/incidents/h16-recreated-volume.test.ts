import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Announcements, receiveAnnouncements } from '../support/announcements.js';
import { eventually, type Machine, type Pair, startPair, TOKENS } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';
import { pushDump, readBackup } from '../support/push-dump.js';

/** More than BACKUP_KEEP: if foreign dumps counted, not one good one would be left. */
const TICKS = 5;

describePostgres('H16: the volume of VCL2 is made anew, and its app seeds it', () => {
  let pair: Pair;
  let owners: Announcements;
  let good: string[];
  beforeEach(async () => {
    owners = await receiveAnnouncements();
    pair = await startPair({ env: { BACKUP_KEEP: '2', NOTIFY_URLS: owners.url } });
    await pair.vcl2.write('an order');
    good = [];
    for (let tick = 0; tick < 2; tick += 1) {
      const { body } = await pair.vcl2.run('/backups');
      good.unshift(String(body.result?.backup));
    }
  });
  afterEach(async () => {
    await pair?.remove();
    await owners.close();
  });

  const backupsOf = async ({ agent }: Machine) => {
    const { body } = await agent.get<{
      backups: { id: string }[];
      quarantined: { id: string; reason: string }[];
    }>('/backups', TOKENS.admin);
    return { ids: body.backups.map(({ id }) => id), quarantined: body.quarantined };
  };

  /** `docker compose down -v`, and somebody makes the empty database anew. */
  const recreateVolume = async (machine: Machine) => {
    machine.killApp();
    await machine.database.psql('DROP DATABASE ledger WITH (FORCE)');
    await machine.database.psql('CREATE DATABASE ledger');
    await machine.database.killHard();
  };

  test('five ticks later both nodes still have every good backup, and VCL3 restores one', async () => {
    const { vcl2, vcl3 } = pair;
    await recreateVolume(vcl2);
    await vcl2.startByOthers();
    expect(await vcl2.entries()).toEqual(['SEED']);

    expect((await vcl2.run('/backups')).body).toMatchObject({ code: 'foreign-lineage' });
    await eventually('nobody is served seeds', async () => {
      const { operation } = await vcl2.agent.status();
      return operation === null && (await vcl2.entries()) === undefined;
    });
    for (let tick = 1; tick < TICKS; tick += 1)
      expect((await vcl2.run('/backups')).body).toMatchObject({ code: 'foreign-lineage' });
    expect((await backupsOf(vcl2)).ids).toEqual(good);
    expect((await backupsOf(vcl3)).ids).toEqual(good);
    const failover = await vcl3.run('/promote');
    expect(failover.body).toMatchObject({ state: 'done', result: { backup: good[0] } });
    expect(await vcl3.entries()).toEqual(['SEED', 'an order']);
  });

  test('dumps of another lineage that reach VCL3 are quarantined, with the reason', async () => {
    const { vcl2, vcl3 } = pair;
    const { manifest, dump } = await readBackup(vcl2, good[0]);
    const lineage = 'lineage-of-the-new-volume';

    for (let tick = 0; tick < TICKS; tick += 1) {
      const id = `ledger_20991231_23595${tick}`;
      const pushed = await pushDump(vcl3, { ...manifest, id, sequence: 9 + tick, lineage }, dump);
      expect(pushed.commit).toMatchObject({ status: 409, body: { code: 'foreign-lineage' } });
    }

    await vcl3.agent.kill();
    await vcl3.agent.start();
    const { ids, quarantined } = await backupsOf(vcl3);
    expect(ids).toEqual(good);
    expect(await vcl3.agent.status()).toMatchObject({ latestBackup: { id: good[0] } });
    // The newest three, for a person to look at.
    expect(quarantined).toMatchObject(
      [4, 3, 2].map((tick) => ({
        ...{ id: `ledger_20991231_23595${tick}`, node: 'vcl2', lineage },
        reason: expect.stringContaining(`is of lineage ${lineage}, this node keeps`),
      })),
    );
    const directory = join(vcl3.directory, 'backups', 'quarantine');
    expect(await readdir(directory)).toHaveLength(6);
    for (const name of await readdir(directory)) {
      const { mode, size } = await stat(join(directory, name));
      expect(mode & 0o777).toBe(0o600);
      if (name.endsWith('.dump')) expect(size).toBe(manifest.bytes);
    }
    // Told once, not at every tick.
    const told = owners.received.filter(({ event }) => event === 'foreign-backup');
    expect(told).toMatchObject([{ node: 'vcl3', severity: 'critical' }]);
  });

  test('even a VCL2 that was installed anew, state and all, does not serve the seeds', async () => {
    const { vcl2, vcl3 } = pair;
    await vcl2.agent.kill();
    for (const name of ['state.json', 'operations', 'backups'])
      await rm(join(vcl2.directory, name), { recursive: true });
    await recreateVolume(vcl2);
    await vcl2.agent.start();

    const boot = await eventually('VCL2 has looked', () => vcl2.lastOperation('boot'));
    expect(boot).toMatchObject({ state: 'rolled-back', error: { code: 'foreign-lineage' } });
    expect(await vcl2.entries()).toBeUndefined();
    expect((await vcl3.run('/promote')).body).toMatchObject({ state: 'done' });
    expect(await vcl3.entries()).toEqual(['SEED', 'an order']);
  });
});
