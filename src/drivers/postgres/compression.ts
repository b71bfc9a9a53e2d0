import type { Server } from './tools.js';

const GZIP = '--compress=1';
const ZSTD = '--compress=zstd:1';
/** The first whose pg_dump knows zstd, unless it was built without. */
const ZSTD_SINCE = 16;

const TIMEOUT_MS = 10_000;

/**
 * How pg_dump is told to compress: fast, and by zstd where it can. It is asked by a command line that it refuses
 * before it connects: for its build's lack of zstd, and only if there is none for the jobs. Never fails; whatever
 * else it says, gzip is what every one can.
 */
export const chooseCompression = async (
  { executor, tools }: Server,
  serverVersion: string,
  signal?: AbortSignal,
): Promise<string> => {
  // No pg_dump is older than the server that it dumps. Before 15 it would take "zstd:1" for 0, and compress nothing.
  if (Number.parseInt(serverVersion, 10) < ZSTD_SINCE) return GZIP;
  const argv = tools.argv('pg_dump', ['--format=custom', ZSTD, '--jobs=2']);
  // In English, whatever language the machine speaks.
  const options = { timeout: TIMEOUT_MS, signal, env: { LC_ALL: 'C' } };
  const refusal = await executor.run(argv, options).catch(String);
  return refusal.includes('parallel backup only') ? ZSTD : GZIP;
};
