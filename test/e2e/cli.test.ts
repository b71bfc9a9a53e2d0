import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { backupListSchema, dryRunSchema, operationListSchema } from '../../src/domain/answers.js';
import { operationRecordSchema } from '../../src/domain/operation.js';
import { nodeStatusSchema, pauseSchema } from '../../src/domain/status.js';
import { coldspare, coldspareOnTerminal } from '../support/cli.js';
import {
  eventually,
  type Machine,
  type Pair,
  standsBy,
  startPair,
  TOKENS,
} from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';
import { silentPort } from '../support/silent-port.js';
import { TcpGate } from '../support/tcp-gate.js';

/** One pair; the tests follow each other. Two folders, each with the `.env` of one agent. */
describePostgres('coldspare, as somebody types it', () => {
  let pair: Pair;
  let root: string;
  beforeAll(async () => {
    pair = await startPair();
    root = await mkdtemp(join(tmpdir(), 'coldspare-cli-'));
  });
  afterAll(async () => {
    await pair?.remove();
    await rm(root, { recursive: true, force: true });
  });

  const environmentOf = (machine: Machine, more: Record<string, string> = {}) => {
    const other = machine === pair.vcl2 ? pair.vcl3 : pair.vcl2;
    const variables = {
      HOST: '0.0.0.0',
      PORT: new URL(machine.agent.url).port,
      ADMIN_TOKEN: TOKENS.admin,
      PEER_URL: other.agent.url,
      ...more,
    };
    return Object.entries(variables)
      .map(([name, value]) => `${name}=${value}\n`)
      .join('');
  };
  /** On that machine, in the folder of its agent. */
  const folderOf = async (machine: Machine, more?: Record<string, string>) => {
    const folder = await mkdtemp(join(root, `${machine.agent.name}-`));
    await writeFile(join(folder, '.env'), environmentOf(machine, more));
    return folder;
  };
  const type = async (machine: Machine, ...args: string[]) =>
    coldspare(args, { cwd: await folderOf(machine) });
  const json = async (machine: Machine, ...args: string[]) => {
    const { out, err, exit } = await type(machine, ...args, '--json');
    expect(err).toBe('');
    return { exit, value: JSON.parse(out) };
  };

  test('help is for people who have never seen it', async () => {
    const { exit, out } = await coldspare(['help'], { cwd: root });
    expect(exit).toBe(0);
    for (const command of ['status', 'doctor', 'backup', 'promote', 'demote', 'drill', 'history'])
      expect(out).toContain(command);
  });

  test.each([
    [['prmote'], 'Did you mean promote?'],
    [['promote', '--forse'], '--force'],
    [['pause', 'soon'], 'whole number'],
    [['status', '--url', 'vcl3'], 'http://10.0.0.3:8080'],
    [['status', '--env', 'nowhere.env'], 'nowhere.env cannot be read (ENOENT)'],
    [['promote'], 'pass --yes'],
    [['promote', '--json'], 'pass --yes'],
  ])('what cannot be understood is 2 and says so: %j', async (args, why) => {
    const { exit, out, err } = await type(pair.vcl3, ...args);
    expect(exit).toBe(2);
    expect(out + err).toContain(why);
    expect(await pair.vcl3.agent.operations()).toMatchObject([{ kind: 'boot' }]);
  });

  test('without a key it says where one is looked for', async () => {
    const { exit, err } = await coldspare(['status'], { cwd: root });
    expect(exit).toBe(2);
    expect(err).toContain('ADMIN_TOKEN is neither in the environment nor in .env');
  });

  test('a wrong key is 5, and is not shown', async () => {
    const wrong = 'a-wrong-key-0123456789-0123456789';
    const cwd = await folderOf(pair.vcl2, { ADMIN_TOKEN: wrong });
    for (const args of [
      ['status'],
      ['backup'],
      ['pause', '--end'],
      ['history', 'some-operation'],
    ]) {
      const { exit, out, err } = await coldspare(args, { cwd });
      expect(exit).toBe(5);
      expect(out + err).toContain('does not accept this key');
      expect(out + err).not.toContain(wrong);
    }
    const { exit } = await coldspare(['status'], { cwd, env: { ADMIN_TOKEN: TOKENS.admin } });
    expect(exit).toBe(0);
  });

  test('an agent that is not there is 4, and so is what is no agent', async () => {
    const silent = await silentPort();
    try {
      for (const url of [`http://127.0.0.1:${silent.port}`, pair.vcl2.appUrl]) {
        const { exit, err } = await type(pair.vcl2, 'status', '--url', url);
        expect(exit).toBe(4);
        expect(err).toContain('--peer');
      }
    } finally {
      await silent.close();
    }
  });

  test('status and doctor say how it is', async () => {
    const { exit, out } = await type(pair.vcl2, 'status');
    expect(exit).toBe(0);
    expect(out).toMatch(/^vcl2 is primary and serves, epoch 1, for \d+ m?s\n {2}app/);
    expect(out).toMatch(/^ {2}backup +none$/m);
    expect(out).toMatch(/^ {2}problems +none$/m);
    expect((await type(pair.vcl2, 'status', '--peer')).out).toMatch(/^vcl3 is standby, epoch/);
    const { value } = await json(pair.vcl3, 'status');
    expect(nodeStatusSchema.parse(value).node).toBe('vcl3');
    expect(await type(pair.vcl2, 'doctor')).toMatchObject({ exit: 0, out: 'Nothing is wrong.\n' });
    expect((await type(pair.vcl3, 'backups')).out).toContain('vcl3 has no backup');
    expect((await type(pair.vcl3, 'history')).out).toMatch(/^\S+_boot_\w+ +done .*\n$/);
  });

  test('a promote that is refused is 3, with the remedy', async () => {
    const { exit, out } = await type(pair.vcl3, 'promote', '--yes');
    expect(exit).toBe(3);
    expect(out).toContain('promote refused after');
    expect(out).toContain('What to do: ');
    const dry = await json(pair.vcl3, 'promote', '--dry-run');
    expect(dry.exit).toBe(3);
    expect(dryRunSchema.parse(dry.value)).toMatchObject({ wouldRun: false });
    const { exit: onPrimary, err } = await type(pair.vcl2, 'promote', '--yes');
    expect(onPrimary).toBe(3);
    expect(err).toContain('vcl2 is the primary already');
  });

  test('a backup is followed to its end, and listed', async () => {
    await pair.vcl2.write('an order');
    const { exit, out } = await type(pair.vcl2, 'backup', '--reason', 'before the upgrade');
    expect(exit).toBe(0);
    expect(out).toMatch(/^\S+_backup_\w+: before the upgrade\n {2}✔ \w+/);
    expect(out).toMatch(/^backup done after/m);
    // No terminal: neither colours nor lines that are written over.
    expect(out).not.toContain('\u001b');
    const { value } = await json(pair.vcl3, 'backups');
    const [backup] = backupListSchema.parse(value).backups;
    expect((await type(pair.vcl3, 'backups')).out).toMatch(
      new RegExp(`^${backup?.id} .* old +[\\d.]+ kB +not restored yet\n$`),
    );
    const again = await json(pair.vcl2, 'backup');
    expect(operationRecordSchema.parse(again.value)).toMatchObject({
      kind: 'backup',
      state: 'done',
    });
    expect((await type(pair.vcl3, 'backup')).exit).toBe(3);
  });

  test('a drill is followed, and status knows of it', async () => {
    const { exit, out } = await type(pair.vcl3, 'drill');
    expect(out).toMatch(/^drill done after/m);
    expect(exit).toBe(0);
    expect((await type(pair.vcl3, 'status')).out).toMatch(/drill +passed .* ago, a takeover would/);
  });

  test('a pause has an end', async () => {
    const { exit, value } = await json(pair.vcl3, 'pause', '5', '--reason', 'deploy');
    expect(exit).toBe(0);
    expect(pauseSchema.parse(value).reason).toBe('deploy');
    expect((await type(pair.vcl3, 'status')).out).toMatch(
      /pause +until \d\d:\d\d UTC, for .*deploy/,
    );
    expect((await type(pair.vcl3, 'pause', '--end')).exit).toBe(0);
    expect((await pair.vcl3.agent.status()).pause).toBeNull();
  });

  test('a role changes hands only when the name of the node is typed', async () => {
    const { vcl2, vcl3 } = pair;
    const cwd = await folderOf(vcl2);
    const mistyped = await coldspareOnTerminal(['demote'], { cwd }, 'vcl3\r');
    expect(mistyped.exit).toBe(2);
    expect(mistyped.out).toContain('WHAT IS LOST: nothing is lost');
    expect(mistyped.out).toContain('that is not vcl2: nothing was done');
    expect((await vcl2.agent.status()).role).toBe('primary');

    const typed = await coldspareOnTerminal(['demote'], { cwd }, 'vcl2\r');
    expect(typed.out).toContain('handover done after');
    expect(typed.exit).toBe(0);
    expect(await vcl3.entries()).toEqual(['SEED', 'an order']);
    await standsBy(vcl2);
  });

  test('a planned promote is followed where it runs: at the other node', async () => {
    const { exit, out } = await type(pair.vcl2, 'promote', '--planned', '--yes');
    expect(out).toContain('handover done after');
    expect(exit).toBe(0);
    expect(await pair.vcl2.entries()).toEqual(['SEED', 'an order']);
    await standsBy(pair.vcl3);
  });

  test('a promote is followed through a connection that breaks off', async () => {
    const { vcl2, vcl3 } = pair;
    await vcl2.losePower();
    const seen = await type(vcl3, 'promote', '--dry-run');
    expect(seen.exit).toBe(0);
    expect(seen.out).toMatch(/^It would start from: \S+, .* old, still to be restored$/m);
    await vcl3.inject([{ label: 'promote.choose-backup', moment: 'before', action: 'hold' }]);
    const gate = await TcpGate.to(Number(new URL(vcl3.agent.url).port));
    try {
      const cwd = await folderOf(vcl3);
      const url = `http://127.0.0.1:${gate.port}`;
      const promoting = coldspare(['promote', '--yes', '--url', url], { cwd });
      await eventually('it is held', async () => (await vcl3.hits()).length > 0);
      gate.cut(0);
      gate.heal();
      await vcl3.release();
      const { exit, out } = await promoting;
      expect(out).toMatch(/✔ commit-role/);
      expect(out).toMatch(/loss +.*is lost/);
      expect(exit).toBe(0);
    } finally {
      await gate.close();
    }
    const { value } = await json(vcl3, 'history', '--limit', '1');
    expect(operationListSchema.parse(value).operations).toMatchObject([
      { kind: 'promote', state: 'done' },
    ]);
  });

  test('the doctor says that the other one is gone, and is not well himself', async () => {
    const { exit, out } = await type(pair.vcl3, 'doctor');
    expect(exit).toBe(1);
    expect(out).toContain('does not answer');
    expect(out).toMatch(/^ +→ /m);
  });

  test('Ctrl-C leaves, and the operation goes on', async () => {
    const { vcl3 } = pair;
    await vcl3.inject([{ label: 'backup.dump', moment: 'before', action: 'hold' }]);
    const left = await coldspare(['backup'], { cwd: await folderOf(vcl3) }, (out, kill) => {
      if (out.includes('_backup_')) kill('SIGINT');
    });
    expect(left.exit).toBe(130);
    const [, id = ''] = /coldspare history (\S+)/.exec(left.err) ?? [];
    expect((await vcl3.agent.status()).operation?.id).toBe(id);
    await vcl3.release();
    const { out } = await type(vcl3, 'history', id);
    expect(out).toContain(id);
    expect(out).toMatch(/^backup (done|failed|rolled-back) after/m);
  });
});
