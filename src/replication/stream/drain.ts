import { ColdspareError, isError, toColdspareError } from '../../domain/errors.js';
import { formatDuration } from '../../domain/format.js';
import { createProgress, isAtOrPast } from '../../domain/replication.js';
import type { Steps } from '../../engine/operation.js';
import { pollUntil } from '../../engine/retry.js';
import { retryUnreachable } from '../../peer/retry-unreachable.js';
import type { LogEnd } from '../../ports/cluster.js';
import type { Streamer } from './streamer.js';

const POLL_PAUSE = 100;
const TRIES = 3;
/** Milliseconds without progress. */
const PATIENCE = 15_000;

export const DRAIN_STEPS = ['drain'] as const;

/**
 * Stops the frozen database in order, which sends everything that it has written, and waits until the replica has it.
 * Resolves to where the log ends. Undefined when that is not possible: the database then runs again, still frozen.
 */
export const drain = (
  node: Streamer,
  steps: Steps<(typeof DRAIN_STEPS)[number]>,
): Promise<string | undefined> =>
  steps.step('drain', async ({ signal, say }) => {
    const { database } = node.stack;
    const began = node.clock.elapsed();
    // A stop waits for a replica that is connected, and would leave an end that nobody has for one that is not (S17).
    const why = await whyNotPossible(node, signal);
    if (why !== undefined) {
      say(`a dump is needed: ${why}`);
      return undefined;
    }
    try {
      await database.stop(signal);
      const end = await node.cluster.logEnd();
      await waitForReplica(node, end, signal);
      say(
        `the database was stopped in order, and the replica has its log up to the end (${end.at}) after ${formatDuration(node.clock.elapsed() - began)}`,
      );
      return end.at;
    } catch (error) {
      signal.throwIfAborted();
      await database.start(signal);
      say(`a dump is needed: ${toColdspareError(error).message}`);
      return undefined;
    }
  });

const whyNotPossible = async (node: Streamer, signal: AbortSignal): Promise<string | undefined> => {
  const own = await node.cluster.positions();
  if (own.slot?.active !== true) return 'no replica is connected';
  const asked = retryUnreachable(node, signal, () => node.peer.status(), TRIES);
  const peer = await asked.catch((error: unknown) => {
    signal.throwIfAborted();
    return toColdspareError(error);
  });
  if (peer instanceof ColdspareError) return peer.message;
  const { replication } = peer;
  if (replication?.state !== 'streaming') return 'the other node does not say that it streams';
  if (replication.positions?.system !== own.system) return 'another database is connected';
  return undefined;
};

const unlessRefused = (error: unknown): undefined => {
  if (!isError(error, 'peer-unreachable')) throw error;
};

const waitForReplica = async (node: Streamer, end: LogEnd, signal: AbortSignal): Promise<void> => {
  if (!end.isClean)
    throw new ColdspareError(
      'database-failed',
      'the database was not stopped in order',
      'see what stops it: DB_STOP_COMMAND, or the stop_signal (SIGINT) and the stop_grace_period of its container, have to be a fast stop that is not cut short',
    );
  const wait = { timeout: PATIENCE, pause: POLL_PAUSE, what: 'the replica has all of the log' };
  const isProgress = createProgress();
  await pollUntil({ clock: node.clock, signal }, wait, async (goesOn) => {
    // One lost message says nothing.
    const { replication } = (await node.peer.status().catch(unlessRefused)) ?? {};
    const received = replication?.positions?.received;
    if (isProgress(received)) goesOn();
    return isAtOrPast(received ?? '0', end.at) ? true : undefined;
  });
};
