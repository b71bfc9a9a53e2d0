import { closeSync, existsSync, openSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { receiveBackup } from '../../src/backups/receive.js';
import { createFileDisk } from '../../src/drivers/file-disk.js';
import { createDestination, createPinoLog } from '../../src/drivers/pino-log.js';
import { request } from '../../src/operations/commands.js';
import { createFakeNode, type FakeNode, LINEAGE, takesBackups } from '../support/fake-node.js';
import { type InProcessPair, startInProcessPair } from '../support/in-process-pair.js';
import { eventually, serves } from '../support/pair.js';
import { receive } from '../support/received.js';

describe('H51: the disk of STATE_DIR is full', () => {
  let pair: InProcessPair;
  beforeEach(async () => {
    pair = await startInProcessPair({ APP_RESTART_AFTER: '10m' });
    await pair.vcl2.write('an order');
    await eventually('a backup is taken', async () => {
      const { body } = await pair.vcl2.run('/backups');
      return body.state === 'done';
    });
  });
  afterEach(() => pair?.remove());

  test('a restarted primary serves, and says the same everywhere', async () => {
    const { vcl2 } = pair;
    await vcl2.agent.kill();
    vcl2.isDiskFull = true;
    await vcl2.agent.start();
    await serves(vcl2);
    expect((await vcl2.agent.get('/primary')).status).toBe(200);
    const health = await vcl2.agent.get<{ serving: boolean; problems: string[] }>('/health');
    expect(health.body.serving).toBe(true);
    await eventually('it says what is wrong', async () => {
      const { body } = await vcl2.agent.get<{ problems: string[] }>('/health');
      return body.problems.includes('disk-low');
    });
    expect((await vcl2.run('/backups')).body).toMatchObject({ code: 'disk-full' });
    expect(await vcl2.entries()).toContain('an order');
  });

  test('a primary promises not to serve, and the standby takes over with everything', async () => {
    const { vcl2, vcl3 } = pair;
    await vcl2.write('the last order');
    vcl2.isDiskFull = true;
    await vcl2.breakApp();
    const { result } = await eventually('VCL3 takes over', async () => {
      const { body } = await vcl3.run('/promote', { force: true });
      return body.state === 'done' && body;
    });
    expect(vcl2.app.runs).toBe(false);
    // There was no room for a last dump on VCL2's disk.
    expect(result?.loss).toMatch(/^nothing is lost/);
    expect(await vcl3.entries()).toContain('the last order');
    expect(await vcl2.lastOperation('backup', 'done')).toMatchObject({
      result: { backup: result?.backup },
    });
  });

  test('a standby takes over', async () => {
    const { vcl2, vcl3 } = pair;
    await eventually('the ballast is there', async () =>
      existsSync(join(vcl3.directory, 'ballast')),
    );
    vcl3.isDiskFull = true;
    await vcl2.losePower();
    await eventually('VCL3 takes over', async () => {
      const { body } = await vcl3.run('/promote', { force: true });
      return body.state === 'done';
    });
    expect(await vcl3.entries()).toContain('an order');
  });
});

describe('H51: something else has filled the disk between two backups', () => {
  const ROOM = 200 * 1024 * 1024;
  const retention = { newest: 1, daily: 7, weekly: 4 };
  let fake: FakeNode;
  afterEach(() => fake.remove());

  /** With backups of three days, and room for the next one only without the oldest. */
  const full = async (role: 'primary' | 'standby') => {
    fake = await createFakeNode(role, { settings: { retention } });
    const { node, directory } = fake;
    await node.state.update({ lineage: LINEAGE });
    for (const day of [1, 2, 3])
      await receive(node, day, 1, { takenAt: `2026-11-2${day}T19:30:00.000Z` });
    const dumps = async () =>
      (await readdir(join(directory, 'backups'))).filter((name) => name.endsWith('.dump')).length;
    node.disk.free = async () => ((await dumps()) < 3 ? ROOM : 0);
    return node;
  };
  const kept = () => fake.node.backups.list().map(({ sequence }) => sequence);

  test('on a primary the last of an earlier day makes room', async () => {
    const node = await full('primary');
    takesBackups(node.peer);
    const { id } = await request(node, 'backup', { reason: '' }, { source: 'schedule' });
    expect(await node.runner.wait(id, 10_000)).toMatchObject({ state: 'done' });
    expect(kept()).not.toContain(1);
  });

  test('so it does on a standby', async () => {
    const node = await full('standby');
    await receiveBackup(node, 'ledger_20261124_193001', Readable.from(['a dump']), {});
    expect(kept()).toEqual([3, 2]);
  });
});

describe('H51: what is on the full disk', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'full-'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  test.runIf(existsSync('/dev/full'))('a log file: lines are lost, and nothing waits', async () => {
    const fd = openSync('/dev/full', 'w');
    const log = createPinoLog('info', 'vcl2', createDestination(fd));
    for (let line = 0; line < 1_000; line += 1) log.info({ line }, 'what nobody will read');
    const began = performance.now();
    await sleep(10);
    expect(performance.now() - began).toBeLessThan(5_000);
    closeSync(fd);
  });

  test('a log file with space gets every line, in order', async () => {
    const path = join(directory, 'agent.log');
    const fd = openSync(path, 'w');
    const log = createPinoLog('info', 'vcl2', createDestination(fd));
    for (let line = 0; line < 1_000; line += 1) log.info({ line, text: 'größer' }, 'read');
    const disk = createFileDisk();
    const lines = await eventually('all lines', async () => {
      const read = ((await disk.read(path)) ?? '').trim().split('\n');
      return read.length === 1_000 ? read : undefined;
    });
    closeSync(fd);
    expect(lines?.map((line) => JSON.parse(line).line)).toEqual([...Array(1_000).keys()]);
  });

  test('the heartbeat: it is no new file, so the watchdog does not stop the app', async () => {
    const disk = createFileDisk();
    const path = join(directory, 'heartbeat');
    await writeFile(path, 'of an agent before');
    const before = await disk.changedAt(path);
    await sleep(20);
    await disk.touch(path);
    expect(await disk.changedAt(path)).toBeGreaterThan(before ?? 0);
    expect(await disk.read(path)).toBe('of an agent before');
  });
});
