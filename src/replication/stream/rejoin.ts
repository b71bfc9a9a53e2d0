import { ColdspareError, toColdspareError } from '../../domain/errors.js';
import { formatCount } from '../../domain/format.js';
import { isAtOrPast, type Positions } from '../../domain/replication.js';
import type { Commits } from '../../ports/cluster.js';
import type { Streamer } from './streamer.js';

/**
 * For a superseded node. Its database is compared with where the peer went on before it is started, because a start
 * writes to the log. If it committed nothing past that place there is nothing to keep. Otherwise its database is set
 * aside, as with dumps.
 * @throws ColdspareError `peer-unreachable`; `busy` while the peer has not opened its database: it is asked again
 */
export const rejoin = async (node: Streamer, signal: AbortSignal): Promise<string | undefined> => {
  const { state, cluster, memory, peer, stack, dumps } = node;
  if (state.current.standDown === null) return undefined;
  const { mode, replication } = await peer.status();
  const theirs = replication?.positions ?? undefined;
  // Another cluster than ours: it was restored from a dump, and the log says nothing.
  if (theirs === undefined || theirs.system !== (await memory.load()).paired)
    return dumps.rejoin(signal);
  if (mode !== 'primary' || theirs.isInRecovery)
    throw new ColdspareError(
      'busy',
      'the other node has not opened its database yet',
      'nothing to do: it is asked again',
    );
  await stack.database.stop(signal);
  const found = await compareLogs(node, theirs);
  if (found === undefined || found.commits.count > 0) {
    const kept = await dumps.rejoin(signal);
    return `${kept ?? ''}${found === undefined ? '' : `; in its log: ${formatCommits(found.commits)}`}`;
  }
  await cluster.copy.abandon();
  await state.update({ standDown: null });
  return 'nothing was committed here that the other node does not have, by the log';
};

interface Comparison {
  commits: Commits;
  /** The log ends before the peer's went on, so that the cluster may follow it as it is. */
  isBeforeFork: boolean;
}

/** Of a stopped cluster. Undefined when the two logs cannot be compared. */
export const compareLogs = async (
  { cluster, log }: Streamer,
  theirs: Positions,
): Promise<Comparison | undefined> => {
  try {
    const end = await cluster.logEnd();
    const fork = theirs.switches[end.timeline];
    if (end.system !== theirs.system || fork === undefined) return undefined;
    const isBeforeFork = isAtOrPast(fork, end.at);
    const commits = isBeforeFork
      ? { count: 0, first: undefined, last: undefined }
      : await cluster.commitsPast(fork, end);
    return { commits, isBeforeFork };
  } catch (thrown) {
    const error = toColdspareError(thrown);
    log.warn({ error }, 'the log of this database could not be read');
    return undefined;
  }
};

const formatCommits = ({ count, first, last }: Commits): string =>
  `${formatCount(count, 'transaction')} that the other node does not have, committed from ${first} to ${last}`;
