import type { Streamer } from './streamer.js';

/**
 * Brings back the cluster that was here before a copy whose seed was cut or failed: only a proven copy takes its place.
 * Safe to repeat.
 */
export const abandonCopy = async (
  { cluster, stack }: Pick<Streamer, 'cluster' | 'stack'>,
  signal: AbortSignal,
): Promise<void> => {
  if (await cluster.copy.isUnproven()) await stack.database.stop(signal);
  await cluster.copy.abandon();
};
