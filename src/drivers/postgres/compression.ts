import { type Server, toolArgv } from './server.js';

const GZIP = '--compress=1';
const ZSTD = '--compress=zstd:1';
/** The first version whose pg_dump knows zstd, unless it was built without. */
const ZSTD_SINCE = 16;

const TIMEOUT_MS = 10_000;

/**
 * The option that makes pg_dump compress fast: zstd where it can, else gzip. Never fails.
 *
 * To find out, pg_dump is given a command line that it refuses before it connects. If its build lacks zstd, it
 * complains about that; otherwise it complains about `--jobs`.
 */
export const chooseCompression = async (
  { executor, programs }: Pick<Server, 'executor' | 'programs'>,
  serverVersion: string,
  signal?: AbortSignal,
): Promise<string> => {
  // pg_dump is never older than its server. One before 15 would read "zstd:1" as 0 and not compress at all.
  if (Number.parseInt(serverVersion, 10) < ZSTD_SINCE) return GZIP;
  const argv = toolArgv({ programs }, 'pg_dump', ['--format=custom', ZSTD, '--jobs=2']);
  // The answer is parsed, so it must be in English.
  const options = { timeout: TIMEOUT_MS, signal, env: { LC_ALL: 'C' } };
  const refusal = await executor.run(argv, options).catch(String);
  return refusal.includes('parallel backup only') ? ZSTD : GZIP;
};
