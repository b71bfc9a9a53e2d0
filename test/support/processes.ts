import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';

/** The pids of all processes of this machine. */
export const listPids = (): number[] =>
  readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number);

/** Whether the process runs and its command line contains `mark`: another process may have got its pid by now. */
export const runsAs = (pid: number, mark: string): boolean => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(mark);
  } catch {
    return false;
  }
};

/** Resident memory of a process, in bytes. */
export const residentMemory = async (pid: number | undefined): Promise<number> => {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
};

/** Resident memory of processes in bytes, before `work` and the most of each while it ran. */
export const watchMemory = async <T>(
  pids: readonly (number | undefined)[],
  work: () => Promise<T>,
): Promise<{ idle: number[]; peak: number[]; result: T }> => {
  const look = () => Promise.all(pids.map(residentMemory));
  const idle = await look();
  const peak = [...idle];
  let isDone = false;
  const watching = (async () => {
    while (!isDone) {
      for (const [index, bytes] of (await look()).entries())
        peak[index] = Math.max(peak[index] ?? 0, bytes);
      await pause(100);
    }
  })();
  try {
    return { idle, peak, result: await work() };
  } finally {
    isDone = true;
    await watching;
  }
};

/** All command lines that were seen on this machine while `work` ran. */
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

/** These processes and all that descend from them, as far as their parents still live. */
export const familiesOf = (pids: readonly number[]): number[] => {
  const parents = new Map(listPids().map((pid) => [pid, statusOf(pid)?.parent]));
  const family = new Set(pids);
  // Pids wrap around, so a child may have a lower pid than its parent.
  for (let size = 0; size < family.size; ) {
    size = family.size;
    for (const [pid, parent] of parents)
      if (parent !== undefined && family.has(parent)) family.add(pid);
  }
  return [...family];
};

/** Ends processes and their families with SIGKILL, and waits until none of them is left. */
export const killFamilies = async (pids: readonly number[]): Promise<void> => {
  const families = familiesOf(pids);
  for (const member of families) {
    try {
      process.kill(member, 'SIGKILL');
    } catch {
      // It ended while we looked.
    }
  }
  while (families.some((member) => isAlive(member))) await pause(10);
};

/** Whether it runs. A zombie does not. */
const isAlive = (pid: number): boolean => !['Z', 'X', undefined].includes(statusOf(pid)?.state);

const statusOf = (pid: number): { state: string; parent: number } | undefined => {
  try {
    const [state = '', parent = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return { state, parent: Number(parent) };
  } catch {
    return undefined;
  }
};
