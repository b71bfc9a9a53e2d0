import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { ColdspareError } from '../../src/domain/errors.js';
import { runCommand } from '../../src/drivers/run-command.js';

const POLL_PAUSE = 25;
/** How long SIGKILL may take; longer means that the kernel holds the process. */
const KILL_DEADLINE = 5_000;
const LIST_TIMEOUT = 5_000;

/**
 * Pids of the running processes that were started with `mark` as an argument, whoever started them. Not from a pid
 * file: it outlives its process, and then another program may have the pid.
 */
export const findProcesses = async (mark: string): Promise<number[]> =>
  (await listProcesses()).filter(({ argv }) => argv.includes(mark)).map(({ pid }) => pid);

/**
 * Ends the marked processes: SIGTERM, after `grace` milliseconds SIGKILL. Resolves once they are gone.
 * @throws ColdspareError `command-failed` when one is still there
 */
export const endProcesses = async (
  mark: string,
  grace: number,
  signal?: AbortSignal,
): Promise<void> => {
  const rounds = [
    { name: 'SIGTERM', deadline: grace },
    { name: 'SIGKILL', deadline: KILL_DEADLINE },
  ] as const;
  for (const { name, deadline } of rounds) {
    for (const pid of await findProcesses(mark)) sendSignal(pid, name);
    if (await areGone(mark, deadline, signal)) return;
  }
  throw new ColdspareError(
    'command-failed',
    `the process with ${mark} does not end, not even by SIGKILL`,
    'look at the process with ps; one in state D waits for a disk',
    { value: await findProcesses(mark) },
  );
};

const areGone = async (
  mark: string,
  deadline: number,
  signal: AbortSignal | undefined,
): Promise<boolean> => {
  const end = performance.now() + deadline;
  for (;;) {
    signal?.throwIfAborted();
    if ((await findProcesses(mark)).length === 0) return true;
    if (performance.now() >= end) return false;
    await sleep(POLL_PAUSE);
  }
};

const sendSignal = (pid: number, name: NodeJS.Signals): void => {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
};

interface Process {
  pid: number;
  argv: string[];
}

/** A process that has ended but was not reaped has no arguments any more, so it counts as gone. */
const listProcesses = async (): Promise<Process[]> => {
  const entries = await readdir('/proc').catch(() => undefined);
  if (entries === undefined) return listWithPs();
  const pids = entries.filter((entry) => /^\d+$/.test(entry)).map(Number);
  return Promise.all(
    pids.map(async (pid) => {
      const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      return { pid, argv: commandLine.split('\0') };
    }),
  );
};

const listWithPs = async (): Promise<Process[]> => {
  const listing = await runCommand(['ps', '-A', '-o', 'pid=,args='], { timeout: LIST_TIMEOUT });
  return listing.split('\n').flatMap((line) => {
    const [pid, ...argv] = line.trim().split(/\s+/);
    return argv.length === 0 ? [] : [{ pid: Number(pid), argv }];
  });
};
