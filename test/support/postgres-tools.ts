import { execFileSync } from 'node:child_process';
import { chown, mkdtemp } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { runCommand, splitCommand } from '../../src/drivers/run-command.js';

const findPrograms = (): string | undefined => {
  try {
    return execFileSync('pg_config', ['--bindir'], { encoding: 'utf8' }).trim();
  } catch {
    return undefined;
  }
};

/** Where PostgreSQL's programs are; undefined when it is not installed. */
export const PROGRAMS = findPrograms();

const isRoot = userInfo().uid === 0;

/** What goes before a command line of the server: it does not run as root. */
export const AS_POSTGRES = isRoot ? 'runuser -u postgres -- ' : '';

export const runAsPostgres = (line: string): Promise<string> =>
  runCommand(splitCommand(`${AS_POSTGRES}${line}`), { timeout: 60_000 });

/** A new temporary directory that the server may write to. */
export const makeClusterDirectory = async (): Promise<string> => {
  const directory = await mkdtemp(join(tmpdir(), 'coldspare-pg-'));
  if (isRoot) {
    const id = (flag: string) => Number(execFileSync('id', [flag, 'postgres']));
    await chown(directory, id('-u'), id('-g'));
  }
  return directory;
};

/** Makes a cluster in `data`. `access` is how connections prove who they are, in options of initdb. */
export const initializeCluster = (data: string, access: string): Promise<string> =>
  runAsPostgres(`${PROGRAMS}/initdb -D ${data} -U postgres -E UTF8 --locale=C.UTF-8 -N ${access}`);
