import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  openCommand,
  runCommand,
  splitCommand,
  startDetached,
} from '../../src/drivers/run-command.js';

const timeout = 30_000;
const sh = (script: string) => ['sh', '-c', script];

describe('runCommand', () => {
  test('answers stdout as it is', async () => {
    expect(await runCommand(['cat'], { timeout, input: 'flat white\n' })).toBe('flat white\n');
  });

  test('a directory is called as it was given, as in a shell: compose names a project after it', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'releases-'));
    const current = `${directory}-current`;
    await symlink(directory, current);
    try {
      const cwd = current;
      expect(await runCommand(['printenv', 'PWD'], { timeout, cwd })).toBe(`${current}\n`);
    } finally {
      await rm(current);
      await rm(directory, { recursive: true });
    }
  });

  test('a failure says which program, how it ended and its last words, but no secret', async () => {
    const failure = runCommand(sh('echo "no beans" >&2; exit 3'), {
      timeout,
      env: { PGPASSWORD: 'brew-42' },
    });
    await expect(failure).rejects.toMatchObject({
      code: 'command-failed',
      message: 'sh exited with 3: no beans',
    });
    expect(String(await failure.catch((error: unknown) => JSON.stringify(error)))).not.toContain(
      'brew-42',
    );
  });

  test('a program that is not installed is a failure like any other', async () => {
    for (const input of [undefined, 'text', Readable.from(['a stream'])]) {
      await expect(
        runCommand(['no-such-program'], { timeout, ...(input !== undefined && { input }) }),
      ).rejects.toMatchObject({
        code: 'command-failed',
        message: 'no-such-program could not be started (ENOENT)',
      });
    }
  });

  test('h20: a program that hangs is ended, even when its children hold on to its pipes', async () => {
    const from = performance.now();
    await expect(runCommand(sh('sleep 3; true'), { timeout: 200 })).rejects.toMatchObject({
      code: 'timed-out',
    });
    expect(performance.now() - from).toBeLessThan(2_900);
  });

  test('a program that ignores the polite signal is killed', async () => {
    const from = performance.now();
    await expect(
      runCommand(sh('trap "" TERM; while :; do sleep 0.1; done'), { timeout: 200 }),
    ).rejects.toMatchObject({ code: 'timed-out' });
    expect(performance.now() - from).toBeLessThan(8_000);
  }, 15_000);

  test('a run that is called off ends with the reason', async () => {
    const calledOff = new AbortController();
    setTimeout(() => calledOff.abort(new Error('called off')), 100);
    await expect(runCommand(['sleep', '9'], { timeout, signal: calledOff.signal })).rejects.toThrow(
      'called off',
    );
  });

  test.each([
    ['breaks', new Error('connection lost'), 'connection lost'],
    ['closes without an end', undefined, 'Premature close'],
  ])('h05: a source that %s is never taken for a complete one', async (_name, cause, message) => {
    const directory = await mkdtemp(join(tmpdir(), 'coldspare-command-'));
    const source = new Readable({ read() {} });
    source.push('60 % of a dump');
    setTimeout(() => source.destroy(cause), 100);
    await expect(
      runCommand(sh(`cat > /dev/null && touch ${directory}/taken-for-whole`), {
        timeout,
        input: source,
      }),
    ).rejects.toThrow(message);
    await expect(readFile(join(directory, 'taken-for-whole'))).rejects.toThrow('ENOENT');
    await rm(directory, { recursive: true });
  });

  test('a program that fails before it has read everything is the failure, not the broken pipe', async () => {
    const endless = new Readable({
      read() {
        this.push(Buffer.alloc(65_536));
      },
    });
    await expect(
      runCommand(sh('head -c 10 > /dev/null; echo "bad header" >&2; exit 1'), {
        timeout,
        input: endless,
      }),
    ).rejects.toThrow('sh exited with 1: bad header');
    expect(endless.destroyed).toBe(true);
  });

  test('a full disk behind stdout ends the program', async () => {
    const full = new Writable({ write: (_chunk, _encoding, done) => done(new Error('disk full')) });
    await expect(runCommand(['yes'], { timeout, output: full })).rejects.toThrow('disk full');
  });

  test('a disk that fails when the program has ended already, with output left to read, is told', async () => {
    const stalled = new Writable({ write: () => {} });
    const run = runCommand(sh('head -c 150000 /dev/zero'), { timeout, output: stalled });
    setTimeout(() => stalled.destroy(new Error('disk full')), 500);
    await expect(run).rejects.toThrow('disk full');
  });

  test.each([
    ['with output left to read', 150_000],
    ['and everything is read', 1_000],
  ])('a sink that stalls ends the run in its time, %s', async (_when, bytes) => {
    const stalled = () => new Writable({ write: () => {} });
    const zeros = sh(`head -c ${bytes} /dev/zero`);
    const output = stalled();
    await expect(runCommand(zeros, { timeout: 500, output })).rejects.toMatchObject({
      code: 'timed-out',
      message: 'sh did not end within 500 ms',
    });
    expect(output.destroyed).toBe(true);

    const stop = new AbortController();
    const run = runCommand(zeros, { timeout, output: stalled(), signal: stop.signal });
    setTimeout(() => stop.abort(new Error('called off')), 300);
    await expect(run).rejects.toThrow('called off');
  });

  test('the output of a failed program is torn, not ended', async () => {
    const output = new Writable({ write: (_chunk, _encoding, done) => done() });
    await expect(runCommand(sh('echo half; exit 1'), { timeout, output })).rejects.toThrow();
    expect(output.writableFinished).toBe(false);
    expect(output.destroyed).toBe(true);
  });

  test('600 MB pass through at the pace of the slower side, without being held in memory', async () => {
    const chunk = Buffer.alloc(65_536);
    const chunks = 9_600;
    let sent = 0;
    let received = 0;
    let most = 0;
    const before = process.memoryUsage().rss;
    await runCommand(['cat'], {
      timeout,
      input: new Readable({
        read() {
          sent += 1;
          this.push(sent <= chunks ? chunk : null);
        },
      }),
      output: new Writable({
        write(data: Buffer, _encoding, done) {
          received += data.length;
          most = Math.max(most, process.memoryUsage().rss - before);
          setImmediate(done);
        },
      }),
    });
    expect(received).toBe(chunks * chunk.length);
    expect(most).toBeLessThan(150e6);
  }, 60_000);
});

describe('services', () => {
  let directory: string;
  let log: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'coldspare-command-'));
    log = join(directory, 'log');
  });
  afterAll(() => rm(directory, { recursive: true }));

  test('a start command is not waited for longer than it runs, whatever its service holds open', async () => {
    const from = performance.now();
    await runCommand(sh('sleep 2 & echo started'), { timeout, log });
    expect(performance.now() - from).toBeLessThan(1_900);
    expect(await readFile(log, 'utf8')).toBe('started\n');
  });

  test('a start command that fails is quoted, without what was in the log before', async () => {
    await runCommand(sh('echo yesterday'), { timeout, log });
    await expect(runCommand(sh('echo today; exit 1'), { timeout, log })).rejects.toThrow(
      /^sh exited with 1: today$/,
    );
  });

  test('a detached process runs in a session of its own', async () => {
    const file = join(directory, 'detached');
    const pid = await startDetached(sh('echo $COFFEE; pwd; exec sleep 30'), {
      logFile: file,
      env: { COFFEE: 'black' },
      cwd: directory,
    });
    try {
      await expect
        .poll(() => readFile(file, 'utf8'), { timeout: 5_000 })
        .toBe(`black\n${directory}\n`);
      // Sixth field of stat: the session; what comes before may hold spaces.
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
      if (stat !== undefined)
        expect(stat.slice(stat.lastIndexOf(')')).split(' ')[4]).toBe(`${pid}`);
    } finally {
      process.kill(pid, 'SIGKILL');
    }
  });

  test('a detached process that cannot be started is a failure', async () => {
    await expect(startDetached(['no-such-program'], { logFile: log })).rejects.toMatchObject({
      code: 'command-failed',
    });
  });
});

describe('openCommand', () => {
  test('a dialogue goes on until it is killed', async () => {
    const cat = openCommand(['cat'], { timeout });
    cat.stdin.write('one\n');
    expect(String(await new Promise((resolve) => cat.stdout.once('data', resolve)))).toBe('one\n');
    cat.kill();
    expect(await cat.ended).toBe('cat was ended by SIGTERM');
  });

  test('its last words explain its end', async () => {
    expect(await openCommand(sh('echo gone >&2; exit 1'), { timeout }).ended).toBe('gone');
    expect(await openCommand(['no-such-program'], { timeout }).ended).toContain('ENOENT');
    expect(await openCommand(['sleep', '9'], { timeout: 100 }).ended).toBe(
      'sleep was ended because its time was up',
    );
  });
});

describe('splitCommand', () => {
  test.each([
    ['systemctl start postgresql', ['systemctl', 'start', 'postgresql']],
    [`sh -c 'a "b" c' "d e"`, ['sh', '-c', 'a "b" c', 'd e']],
  ])('%s', (line, words) => {
    expect(splitCommand(line)).toEqual(words);
  });

  test.each(['', '  '])('an empty line is refused (%j)', (line) => {
    expect(() => splitCommand(line)).toThrow('a command line is empty');
  });
});
