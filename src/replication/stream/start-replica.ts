import type { Streamer } from './streamer.js';

/**
 * Starts a replica, also one whose primary got more connections or the like than this server has: its recovery pauses
 * there, or it does not even start (S12). Resolves to the settings that were raised for it.
 */
export const startReplica = async (
  { cluster, stack }: Pick<Streamer, 'cluster' | 'stack'>,
  signal: AbortSignal,
): Promise<string[]> => {
  const { database } = stack;
  const failure = await database.start(signal).then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
  signal.throwIfAborted();
  // Whether more is needed may be unknown: that says nothing against a replica that has started.
  const raised = await cluster.fit().catch((): string[] => []);
  if (raised.length > 0) {
    await database.stop(signal);
    await database.start(signal);
  } else if (failure !== undefined) throw failure.error;
  return raised;
};
