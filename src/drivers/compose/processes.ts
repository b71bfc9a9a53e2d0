import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { toColdspareError } from '../../domain/errors.js';

/** The client could not connect to an engine of this very machine, because nothing listens on its socket. */
const NO_ENGINE =
  /Cannot connect to the Docker daemon at unix:|dial unix \S+: connect: (connection refused|no such file or directory)/i;

/** The namespace that a machine boots in, whose process table has all processes (PROC_PID_INIT_INO of Linux). */
const WHOLE_MACHINE = 'pid:[4026531836]';
/** The process that holds a container: its shim or its monitor. */
const HOLDER = /^(\S*\/)?(containerd-shim|conmon)/;
const IN_CONTAINER = /(docker|libpod)[-/][0-9a-f]{64}/;

/** Whether asking failed because no engine runs on this machine. One that hangs may have its containers running. */
export const isEngineGone = (error: unknown): boolean =>
  NO_ENGINE.test(toColdspareError(error).message);

/**
 * Whether the containers of `ids` certainly do not run: this machine's process table can be read as a whole, and has no
 * process of theirs. Without ids it may have no process of any container. An engine that is killed leaves its containers
 * running, so that it is gone proves nothing.
 */
export const haveNoProcess = async (ids: readonly string[], proc = '/proc'): Promise<boolean> => {
  const own = await readlink(join(proc, 'self/ns/pid')).catch(() => '');
  const first = await readText(join(proc, '1/cmdline'));
  if (own !== WHOLE_MACHINE || first === '') return false;
  const isOfThem = (cmdline: string, cgroup: string): boolean =>
    ids.length > 0
      ? ids.some((id) => cmdline.includes(id) || cgroup.includes(id))
      : HOLDER.test(cmdline) || IN_CONTAINER.test(cgroup);
  const pids = (await readdir(proc)).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) =>
      isOfThem(
        await readText(join(proc, pid, 'cmdline')),
        await readText(join(proc, pid, 'cgroup')),
      ),
    ),
  );
  return !found.includes(true);
};

/** Empty when the process has ended, or is hidden. */
const readText = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '');
