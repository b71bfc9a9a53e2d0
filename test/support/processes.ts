import { readdirSync, readFileSync } from 'node:fs';

/** Of every process of this machine. */
export const listPids = (): number[] =>
  readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number);

/** Whether it runs and its command line names `mark`: the number in a file may be another process's by now. */
export const runsAs = (pid: number, mark: string): boolean => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(mark);
  } catch {
    return false;
  }
};

/** Every command line of this machine that was ever seen while `work` ran. */
export const watchProcesses = async (work: Promise<unknown>): Promise<Set<string>> => {
  const seen = new Set<string>();
  let isDone = false;
  const ended = work.finally(() => {
    isDone = true;
  });
  while (!isDone) {
    for (const pid of listPids()) {
      try {
        seen.add(readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' '));
      } catch {
        // It has ended meanwhile.
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await ended;
  return seen;
};
