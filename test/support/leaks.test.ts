import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { canSeeProcesses } from './leaks.js';

const CONFIG = 'test/support/leaks-fixtures/vitest.config.ts';

interface Run {
  output: string;
  exitCode: number | string | null | undefined;
}

/** A run of the fixtures with these names, with the project's own guards and reporters around them. */
const runFixtures = (names: string[], env: Record<string, string> = {}): Promise<Run> =>
  new Promise((resolve) => {
    const fixtures = names.map((name) => `leaks-fixtures/${name}.fixture.ts`);
    execFile(
      process.execPath,
      ['node_modules/vitest/vitest.mjs', 'run', '--config', CONFIG, ...fixtures],
      { env: { ...process.env, NO_COLOR: '1', CI: '', ...env }, timeout: 60_000 },
      (error, stdout, stderr) =>
        resolve({ output: stderr + stdout, exitCode: error ? error.code : 0 }),
    );
  });

/** What a run says about one fixture. */
const leftBy = (run: Run, name: string): string =>
  new RegExp(`leaks-fixtures/${name}\\.fixture\\.ts left behind:\\n((?: {2}.*\\n)+)`).exec(
    run.output,
  )?.[1] ?? '';

describe('leak guard', () => {
  let run: Run;
  beforeAll(async () => {
    const leaking = [
      ...['process', 'bare-process', 'server-process'],
      ...['port', 'file', 'folder', 'crash'],
    ];
    run = await runFixtures(leaking, { TEST_LEAK_GRACE: '500' });
  });

  test('a file is left: the run fails and names it', () => {
    expect(leftBy(run, 'file')).toMatch(/file .*forgotten\.dump/);
    expect(run.exitCode).toBe(1);
  });

  test('an empty folder is left: named as well', () => {
    expect(leftBy(run, 'folder')).toMatch(/file .*forgotten-folder/);
  });

  describe.runIf(canSeeProcesses)('with /proc', () => {
    test('a process is left in a session of its own: named', () => {
      expect(leftBy(run, 'process')).toMatch(/process \d+: sleep 300/);
    });

    test('a child is left that has no environment: named', () => {
      expect(leftBy(run, 'bare-process')).toMatch(/process \d+: \/bin\/sleep 301/);
    });

    test('a process is left that listens: named with its port', () => {
      expect(leftBy(run, 'server-process')).toMatch(/process \d+: .*listening on TCP port \d+/);
    });

    test('a server is left in the test file itself: its port is named', () => {
      expect(leftBy(run, 'port')).toMatch(/TCP port \d+/);
    });

    test('a test file dies before it can look: its process is named at the end of the run', () => {
      expect(run.output).toMatch(/at the end of the run:\n(.*\n)*? {2}process \d+: sleep 302/);
    });

    test('what was left is ended', async () => {
      const pids = [...run.output.matchAll(/ {2}process (\d+):/g)].map(([, pid]) => Number(pid));
      expect(pids).toHaveLength(4);
      await expect.poll(() => pids.filter(isRunning)).toEqual([]);
    });
  });

  test('everything is ended and removed: nothing is said', async () => {
    const { output, exitCode } = await runFixtures(['tidy']);
    expect(output).toMatch(/1 passed, 0 failed, 0 skipped\n$/);
    expect(output).not.toContain('left behind');
    expect(exitCode).toBe(0);
  });
});

describe('closing line', () => {
  test('a test has something to say in numbers: printed above it, unless the test failed', async () => {
    const { output } = await runFixtures(['figures']);
    expect(output).toMatch(
      /The slowest files, of +\S+ s in all:\n +\S+ s {2}\S+figures\.fixture\.ts\n/,
    );
    expect(output).toMatch(/What held in this run:\n {2}7 sheep\n1 passed, 1 failed, 0 skipped\n$/);
  });

  test('tests are skipped on a desk: each is named with its reason, and the run is good', async () => {
    const { output, exitCode } = await runFixtures(['skipped']);
    expect(output).toContain(
      'skipped.fixture.ts > needs a tape drive: there is no tape drive here',
    );
    expect(output).toContain('skipped.fixture.ts > mainframe (there is none here) > boots');
    expect(output).toMatch(/1 passed, 0 failed, 2 skipped\n$/);
    expect(exitCode).toBe(0);
  });

  test('a file is skipped as a whole, groups in groups: no failure, and its own folder is no leak', async () => {
    const { output, exitCode } = await runFixtures(['all-skipped']);
    expect(output).toContain('mainframe (there is none here) > over the telephone > boots');
    expect(output).not.toContain('left behind');
    expect(output).toMatch(/0 passed, 0 failed, 1 skipped\n$/);
    expect(exitCode).toBe(0);
  });

  test('tests are skipped in CI: the run fails', async () => {
    const { output, exitCode } = await runFixtures(['skipped'], { CI: 'true' });
    expect(output).toContain('CI=true: nothing may be skipped');
    expect(exitCode).toBe(1);
  });

  test('a test passes only when it is tried again, which happens in CI alone: it is named, with why', async () => {
    const inCi = await runFixtures(['flaky'], { CI: 'true' });
    expect(inCi.output).toMatch(
      /passed only when they were tried again:\n.*flaky\.fixture\.ts > a coin is tossed\n {4}heads at first/,
    );
    expect(inCi.output).toMatch(/1 passed, 0 failed, 0 skipped\n$/);
    expect(inCi.exitCode).toBe(0);
    const atDesk = await runFixtures(['flaky'], { CI: '' });
    expect(atDesk.output).toMatch(/0 passed, 1 failed, 0 skipped\n$/);
    expect(atDesk.exitCode).toBe(1);
  });

  test('a test with real agents fails: what they did last is printed, but not every request', async () => {
    const { output } = await runFixtures(['last-words']);
    expect(output).toMatch(/last words:\n.*vcl2\/agent\.log\n.*fence failed/);
    expect(output).not.toContain('"msg":"request"');
  });

  test('a hook fails: the tests that could not run count as failed, not as skipped', async () => {
    const { output, exitCode } = await runFixtures(['failing']);
    expect(output).toMatch(/0 passed, 3 failed, 0 skipped\n$/);
    expect(exitCode).toBe(1);
  });
});

/** Who has ended but was not reaped has no command line any more. */
const isRunning = (pid: number): boolean => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8') !== '';
  } catch {
    return false;
  }
};
