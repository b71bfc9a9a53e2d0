import { readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Manifest } from '../../src/domain/manifest.js';
import { type Announcements, receiveAnnouncements } from '../support/announcements.js';
import {
  eventually,
  type Machine,
  type Pair,
  serves,
  standsBy,
  startPair,
  TOKENS,
} from '../support/pair.js';
import { drawnTests } from '../support/sample.js';
import { describeSshd, Sshd } from '../support/sshd.js';
import { TcpGate } from '../support/tcp-gate.js';

/** Writes through VCL2's app until it is told to stop, and remembers what was acknowledged. */
const keepWriting = (machine: Machine) => {
  const acknowledged: string[] = [];
  let isWriting = true;
  const loop = (async () => {
    for (let n = 1; isWriting; n += 1) {
      if (await machine.write(`write ${n}`)) acknowledged.push(`write ${n}`);
      else await pause(20);
    }
  })();
  return {
    acknowledged,
    stop: async () => {
      isWriting = false;
      await loop;
    },
  };
};

/** Notes every moment at which both apps answered. */
const watchBoth = ({ vcl2, vcl3 }: Pair) => {
  const bothServed: string[] = [];
  let isWatching = true;
  const loop = (async () => {
    while (isWatching) {
      const [two, three] = await Promise.all([vcl2.entries(), vcl3.entries()]);
      if (two !== undefined && three !== undefined) bothServed.push(new Date().toISOString());
      await pause(20);
    }
  })();
  return {
    bothServed,
    stop: async () => {
      isWatching = false;
      await loop;
    },
  };
};

/** Beside those that stand for incidents. */
const drawn = drawnTests(0.25);

describeSshd('VCL2 is reached over SSH when its agent is not', () => {
  let sshd: Sshd;
  let pair: Pair;
  let told: Announcements;
  const cleanups: (() => Promise<void>)[] = [];

  beforeEach(async () => {
    told = await receiveAnnouncements();
    cleanups.push(told.close);
    sshd = await Sshd.start();
    cleanups.push(() => sshd.remove());
    pair = await startPair({ start: false });
    cleanups.push(pair.remove);
  });
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });

  /** For VCL3's agent. Both are on one machine here, so what runs on VCL2 has variables of its own. */
  const overSsh = (more: Record<string, string> = {}): Record<string, string> => ({
    PEER_SSH: `${sshd.user}@127.0.0.1:${sshd.port}`,
    PEER_SSH_KEY: sshd.keyFile,
    PEER_SSH_HOST_KEY: sshd.hostKey,
    PEER_APP_STOP_COMMAND: pair.vcl2.appStopCommand,
    PEER_DB_START_COMMAND: pair.vcl2.database.startCommand,
    PEER_DB_STOP_COMMAND: pair.vcl2.database.stopCommand,
    PEER_DB_PORT: `${pair.vcl2.database.port}`,
    NOTIFY_URLS: told.url,
    ...more,
  });

  /**
   * VCL2 has served, and one entry is in no backup. Now its agent is dead; its app and its database are not, and
   * customers still reach them. VCL3 does not.
   */
  const loseAgent = async (more: Record<string, string> = {}): Promise<Pair> => {
    const { vcl2, vcl3, link } = pair;
    await Promise.all([vcl2.agent.start(), vcl3.agent.start(overSsh(more))]);
    await serves(vcl2);
    expect(await vcl2.write('in the backup')).toBe(true);
    await vcl2.do('/backups');
    expect(await vcl2.write('after the backup')).toBe(true);
    link.toVcl2.app.cut();
    await vcl2.agent.kill();
    return pair;
  };
  const everything = ['SEED', 'in the backup', 'after the backup'];

  const databasesOf = async ({ database }: Machine): Promise<string[]> =>
    (await database.psql('SELECT datname FROM pg_database ORDER BY 1')).trim().split('\n');
  const detailOf = (
    operation: { steps: { name: string; detail: string | null }[] },
    step: string,
  ) => operation.steps.find(({ name }) => name === step)?.detail ?? '';
  const isTold = (event: string) =>
    eventually(`${event} is told`, async () =>
      told.received.some((announcement) => announcement.event === event),
    );

  test('no acknowledged write is lost, and never do both serve', async () => {
    const { vcl2, vcl3 } = await loseAgent();
    const customers = keepWriting(vcl2);
    const watch = watchBoth(pair);
    await eventually('customers are served', async () => customers.acknowledged.length > 20);

    const failover = await vcl3.do('/promote');
    await customers.stop();
    await watch.stop();
    // The last one may have been written, and its answer lost with the app.
    const acknowledged = [...everything, ...customers.acknowledged];
    const kept = (await vcl3.entries()) ?? [];
    expect(kept.slice(0, acknowledged.length)).toEqual(acknowledged);
    expect(kept.length - acknowledged.length).toBeLessThanOrEqual(1);
    expect(watch.bothServed).toEqual([]);
    expect(failover.result).toMatchObject({
      fenced: 'fenced-by-ssh',
      sshError: null,
      loss: expect.stringContaining('nothing is lost'),
    });
    expect(detailOf(failover, 'fence')).toContain('fenced over SSH: its app is stopped');
    await isTold('fenced-by-ssh');
    expect(await vcl2.entries()).toBeUndefined();
    await expect(vcl2.database.psql('SELECT 1')).rejects.toThrow('refused');

    // A backup like any other: listed, with a manifest, on this disk once.
    const rescued = String(failover.result?.rescue);
    const list = await vcl3.agent.get<{ backups: Manifest[] }>('/backups', TOKENS.admin);
    expect(list.body.backups[0]).toMatchObject({ id: rescued, epoch: 1, sequence: 2 });
    const manifest = await vcl3.agent.get<Manifest>(`/backups/${rescued}`, TOKENS.admin);
    expect(manifest.body).toMatchObject({
      inventory: { rows: { 'public.entries': kept.length } },
    });
    const files = await readdir(join(vcl3.directory, 'backups'));
    expect(files.filter((file) => file.startsWith(rescued)).sort()).toEqual([
      `${rescued}.dump`,
      `${rescued}.json`,
    ]);

    // VCL2's agent is back: it knows that nothing diverged, and gets everything back.
    await vcl2.agent.start();
    await standsBy(vcl2);
    const left = await vcl2.lastOperation('stand-down', 'done');
    expect(detailOf(left ?? { steps: [] }, 'set-aside')).toContain(
      `the other node serves everything that was written here (${rescued})`,
    );
    expect(await vcl3.write('on VCL3')).toBe(true);
    await vcl3.do('/demote');
    await serves(vcl2);
    expect(await vcl2.entries()).toEqual([...kept, 'on VCL3']);
    expect(await vcl2.write('again on VCL2')).toBe(true);
    expect((await databasesOf(vcl2)).filter((name) => name.includes('diverged'))).toEqual([]);
  });

  test('H09: an agent that lives behind a cut link obeys what it finds in its database', async () => {
    const { vcl2, vcl3, link } = pair;
    await vcl2.agent.start({ ALONE: 'serve', ALONE_GRACE: '500ms', APP_RESTART_AFTER: '500ms' });
    await vcl3.agent.start(overSsh());
    await serves(vcl2);
    await vcl2.do('/backups');
    expect(await vcl2.write('after the backup')).toBe(true);
    const watch = watchBoth(pair);

    link.cut();
    const failover = await vcl3.do('/promote');
    expect(failover.result).toMatchObject({ fenced: 'fenced-by-ssh' });
    await eventually('VCL2 yields', async () => (await vcl2.agent.status()).mode === 'yielding');
    expect((await vcl2.agent.status()).yielding).toMatchObject({
      operation: failover.id,
      epoch: 2,
    });
    await pause(3_000);
    await watch.stop();
    expect(watch.bothServed).toEqual([]);
    expect(await vcl3.entries()).toEqual(['SEED', 'after the backup']);

    link.heal();
    await standsBy(vcl2);
    expect(await vcl2.agent.status()).toMatchObject({ mode: 'standby', epoch: 2 });
    await vcl2.database.start();
    expect((await databasesOf(vcl2)).filter((name) => name.includes('diverged'))).toEqual([]);
  });

  drawn.test(
    'the takeover comes to nothing: VCL2 serves again with everything once its agent is back',
    async () => {
      const { vcl2, vcl3 } = await loseAgent();
      await vcl3.inject([{ label: 'promote.restore', moment: 'before', action: 'fail' }]);
      expect((await vcl3.run('/promote')).body).toMatchObject({ code: 'internal' });
      expect(await vcl3.agent.status()).toMatchObject({ mode: 'standby' });
      expect(await vcl2.entries()).toBeUndefined();

      await vcl2.agent.start();
      await serves(vcl2);
      expect(await vcl2.entries()).toEqual(everything);
      expect(await vcl2.write('written since')).toBe(true);
      // Its next backup is newer than the dump of the takeover.
      const next = await vcl2.do('/backups');
      expect((await vcl3.agent.status()).latestBackup?.id).toBe(next.result?.backup);
    },
  );

  drawn.test('VCL2 loses its agent after it was fenced: the last dump comes over SSH', async () => {
    const { vcl2, vcl3 } = pair;
    await Promise.all([vcl2.agent.start(), vcl3.agent.start(overSsh())]);
    await serves(vcl2);
    await vcl2.do('/backups');
    expect(await vcl2.write('after the backup')).toBe(true);
    await vcl2.breakApp();
    await vcl2.inject([{ label: 'backup.dump', moment: 'before', action: 'kill' }]);

    const failover = await vcl3.do('/promote');
    expect(failover.result).toMatchObject({
      fenced: 'fenced',
      loss: expect.stringContaining('nothing is lost'),
    });
    expect(await vcl3.entries()).toEqual(['SEED', 'after the backup']);
    await vcl2.agent.start();
    await standsBy(vcl2);
    await vcl2.database.start();
    expect((await databasesOf(vcl2)).filter((name) => name.includes('diverged'))).toEqual([]);
  });

  test.each(
    drawn.some('killed once fenced over SSH', [
      ['promote.fence', 'after'],
      ['promote.rescue', 'after'],
    ] as const),
  )("VCL3's agent is killed at %s, %s: nothing is lost", async (label, moment) => {
    const { vcl2, vcl3 } = await loseAgent();
    await vcl3.inject([{ label, moment, action: 'kill' }]);
    await vcl3.agent.post('/promote').catch(() => {});
    await vcl3.agent.exited();
    expect(await vcl3.hits()).toEqual([`${label} ${moment} kill`]);

    await vcl3.agent.start(overSsh());
    await serves(vcl3);
    expect(await vcl3.entries()).toEqual(everything);
    expect(await vcl2.entries()).toBeUndefined();
  });

  test.each(
    drawn.some<[string, string, () => Record<string, string> | Promise<void> | void]>(
      'SSH refused',
      [
        [
          'a key that is not authorized',
          'ssh-key-refused',
          () => ({ PEER_SSH_KEY: sshd.makeKey('other') }),
        ],
        ['a host key that has changed', 'ssh-host-key-changed', () => sshd.changeHostKey()],
        ['an sshd that hangs', 'ssh-timed-out', () => sshd.hang()],
      ],
    ),
  )('%s: the takeover goes on as without SSH, and says so', async (_name, code, spoil) => {
    const { vcl2, vcl3 } = await loseAgent();
    const more = await spoil();
    if (more !== undefined) {
      await vcl3.agent.stop();
      await vcl3.agent.start(overSsh(more));
    }
    const from = performance.now();
    const failover = await vcl3.do('/promote');
    sshd.wake();
    expect(performance.now() - from).toBeLessThan(30_000);
    expect(failover.result).toMatchObject({
      fenced: 'unreachable',
      sshError: code,
      loss: expect.stringMatching(/what was written after .* is lost/),
      rescue: `there is no fenced primary to take a last dump from (${code})`,
    });
    expect(detailOf(failover, 'fence')).toContain('its agent does not answer, and SSH: ');
    await isTold('not-fenced');
    expect(await vcl3.entries()).toEqual(['SEED', 'in the backup']);
    // Nothing was run over there.
    expect(await vcl2.entries()).toEqual(everything);
  });

  test('H03: a key that nobody set up shows long before it is needed', async () => {
    const { vcl2, vcl3 } = pair;
    const way = async () => (await vcl3.agent.status()).peer.ssh ?? undefined;
    await Promise.all([vcl2.agent.start(), vcl3.agent.start(overSsh())]);
    await eventually('the way is tried', way);
    expect(await way()).toMatchObject({ works: true, error: null });
    expect((await vcl2.agent.status()).peer.ssh).toBeNull();

    await vcl3.agent.stop();
    await vcl3.agent.start(overSsh({ PEER_SSH_KEY: sshd.makeKey('nobodys') }));
    await eventually('the way is tried', way);
    expect(await way()).toMatchObject({
      works: false,
      error: expect.stringContaining('does not let'),
    });
  });

  drawn.test(
    'with the rescue turned off, its app and its database are stopped and the loss is told',
    async () => {
      const { vcl2, vcl3 } = await loseAgent({ RESCUE_TIMEOUT: '0' });
      const failover = await vcl3.do('/promote');
      expect(failover.result).toMatchObject({
        fenced: 'fenced-by-ssh',
        rescue: 'rescue is turned off (RESCUE_TIMEOUT=0)',
        loss: expect.stringMatching(/what was written after .* is lost/),
      });
      expect(await vcl2.entries()).toBeUndefined();
      await expect(vcl2.database.psql('SELECT 1')).rejects.toThrow('refused');
    },
  );

  drawn.test(
    'a last dump that takes too long: RESCUE_TIMEOUT ends it, and the newest backup is taken',
    async () => {
      const { vcl2, vcl3 } = await loseAgent({
        RESCUE_TIMEOUT: '1s',
        PEER_DB_START_COMMAND: 'sleep 30',
      });
      await vcl2.database.killHard();
      const failover = await vcl3.do('/promote');
      expect(failover.result).toMatchObject({
        fenced: 'fenced-by-ssh',
        rescue: 'the last dump failed: no more of it came over SSH for 1 s',
      });
      expect(detailOf(failover, 'fence')).toContain('its database does not run');
      expect(await vcl3.entries()).toEqual(['SEED', 'in the backup']);
    },
  );

  drawn.test(
    'an app that may not be stopped: no takeover while it may serve, but by force, and without a loss',
    async () => {
      const command = join(pair.vcl2.directory, 'not-executable');
      await writeFile(command, 'true', { mode: 0o600 });
      const { vcl2, vcl3 } = await loseAgent({ PEER_APP_STOP_COMMAND: command });
      const refused = await vcl3.run('/promote');
      expect(refused.body).toMatchObject({
        code: 'ssh-not-permitted',
        remedy: expect.stringContaining('"force": true'),
      });
      await isTold('not-fenced');
      expect(await vcl3.agent.status()).toMatchObject({ mode: 'standby', epoch: 1 });
      expect(await vcl2.entries()).toEqual(everything);
      expect(await vcl2.write('VCL2 serves on')).toBe(true);

      const forced = await vcl3.do('/promote', { force: true });
      expect(forced.result).toMatchObject({ fenced: 'not-stopped', sshError: 'ssh-not-permitted' });
      expect(await vcl3.entries()).toEqual([...everything, 'VCL2 serves on']);
      // Its database is down, so it can neither write nor read.
      expect(await vcl2.write('nobody takes this')).toBe(false);
      expect(await vcl2.entries()).toBeUndefined();
    },
  );

  drawn.test(
    'the connection is cut in the middle of the dump: no torn backup, and the loss is told',
    async () => {
      const gate = await TcpGate.to(sshd.port);
      cleanups.push(() => gate.close());
      const { vcl2, vcl3 } = await loseAgent({ PEER_SSH: `${sshd.user}@127.0.0.1:${gate.port}` });
      await vcl2.database.psql(
        `CREATE TABLE bulk AS SELECT md5(n::text) || md5((-n)::text) AS text FROM generate_series(1, 1000000) n`,
        'ledger',
      );
      const directory = join(vcl3.directory, 'backups');
      await vcl3.agent.post('/promote');
      await eventually('half of the dump is here', async () => {
        const part = (await readdir(directory)).find((file) => file.endsWith('.part'));
        return part !== undefined && (await stat(join(directory, part))).size > 2_000_000;
      });
      gate.cut();
      gate.heal();

      const failover = await eventually('VCL3 has taken over', () =>
        vcl3.lastOperation('promote', 'done'),
      );
      expect(failover.result).toMatchObject({
        fenced: 'fenced-by-ssh',
        rescue: expect.stringContaining('the last dump failed'),
        loss: expect.stringMatching(/what was written after .* is lost/),
      });
      expect(await vcl3.entries()).toEqual(['SEED', 'in the backup']);
      const files = await readdir(directory);
      expect(files.filter((file) => file.endsWith('.dump'))).toHaveLength(1);
      expect(files.filter((file) => file.endsWith('.part'))).toEqual([]);
      expect(await vcl2.entries()).toBeUndefined();

      // What VCL3 lacks is kept, and told.
      await vcl2.agent.start();
      await standsBy(vcl2);
      const left = await vcl2.lastOperation('stand-down', 'done');
      expect(detailOf(left ?? { steps: [] }, 'set-aside')).toMatch(/kept as ledger_diverged_/);
    },
  );
});
