import { existsSync } from 'node:fs';
import { readdir, readFile, readlink, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** Only /proc shows the environments of other processes, and their sockets. */
export const canSeeProcesses = existsSync('/proc/self/environ');

export interface Leaks {
  pids: number[];
  /** One line a leak, for a person. */
  descriptions: string[];
}

interface Process {
  pid: number;
  parent: number;
  command: string;
  environment: string;
}

/**
 * What is left of the tests whose temporary directory is `directory`: running processes, and files in it. A
 * process belongs to them when its environment (TMPDIR is inherited) or its command line names the directory,
 * or when it descends from such a process or from `ancestor`.
 */
export const findLeaks = async (directory: string, ancestor?: number): Promise<Leaks> => {
  const processes = canSeeProcesses ? await findProcesses(directory, ancestor) : [];
  const files = await readdir(directory);
  return {
    pids: processes.map(({ pid }) => pid),
    descriptions: [
      ...(await Promise.all(processes.map(describeProcess))),
      ...files.map((file) => `file ${join(directory, file)}`),
    ],
  };
};

/** Ends and removes what was leaked, so that it does not disturb the next tests. Describe the leak first. */
export const removeLeaks = async (directory: string, { pids }: Leaks): Promise<void> => {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended by itself, or with its parent.
    }
  }
  await rm(directory, { recursive: true, force: true, maxRetries: 5 });
};

/** TCP ports that the process listens on; none when that cannot be read. */
export const listeningPorts = async (pid: number): Promise<number[]> => {
  if (!canSeeProcesses) return [];
  const ports = await portsByInode();
  const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => []);
  const targets = await Promise.all(
    descriptors.map((descriptor) => readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => '')),
  );
  return targets.flatMap((target) => {
    const port = ports.get(/^socket:\[(\d+)\]$/.exec(target)?.[1] ?? '');
    return port === undefined ? [] : [port];
  });
};

const LISTEN = '0A';

const portsByInode = async (): Promise<Map<string, number>> => {
  const tables = await Promise.all(
    ['/proc/net/tcp', '/proc/net/tcp6'].map((table) => readFile(table, 'utf8').catch(() => '')),
  );
  const rows = tables.flatMap((table) => table.split('\n').map((row) => row.trim().split(/\s+/)));
  return new Map(
    rows
      .filter(([, , , state]) => state === LISTEN)
      .map(([, local = '', , , , , , , , inode = '']) => [
        inode,
        Number.parseInt(local.split(':')[1] ?? '', 16),
      ]),
  );
};

const describeProcess = async ({ pid, command }: Process): Promise<string> => {
  const ports = await listeningPorts(pid);
  const listens = ports.length > 0 ? `, listening on TCP port ${ports.join(', ')}` : '';
  return `process ${pid}: ${command.slice(0, 200)}${listens}`;
};

const findProcesses = async (mark: string, ancestor: number | undefined): Promise<Process[]> => {
  const processes = await listProcesses();
  const found = processes.filter(
    ({ pid, command, environment }) =>
      pid !== process.pid && (command.includes(mark) || environment.includes(mark)),
  );
  const parents = new Set(found.map(({ pid }) => pid));
  if (ancestor !== undefined) parents.add(ancestor);
  // Some programs (PostgreSQL, sshd) write over their environment, so their children are known by descent only.
  for (const parent of parents) {
    for (const child of processes.filter((candidate) => candidate.parent === parent)) {
      if (parents.has(child.pid)) continue;
      parents.add(child.pid);
      found.push(child);
    }
  }
  return found;
};

const listProcesses = async (): Promise<Process[]> => {
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry)).map(Number);
  const processes = await Promise.all(pids.map((pid) => readProcess(pid).catch(() => undefined)));
  return processes.filter((entry) => entry !== undefined);
};

/** Undefined when it has ended and only waits for its parent to notice. */
const readProcess = async (pid: number): Promise<Process | undefined> => {
  const [stat, command, environment] = await Promise.all([
    readFile(`/proc/${pid}/stat`, 'utf8'),
    readFile(`/proc/${pid}/cmdline`, 'utf8'),
    // Not readable when it is another user's.
    readFile(`/proc/${pid}/environ`, 'utf8').catch(() => ''),
  ]);
  // "pid (name) state parent …", and a name may hold blanks and brackets.
  const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (state === 'Z') return undefined;
  return {
    pid,
    parent: Number(parent),
    command: command.replaceAll('\0', ' ').trim(),
    environment,
  };
};
