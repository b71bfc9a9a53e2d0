import { ColdspareError, toColdspareError } from '../../domain/errors.js';
import { formatDuration } from '../../domain/format.js';
import type { StepContext } from '../../engine/plan.js';
import type { PeerMachine, PeerStack } from '../../peer/peer-machine.js';
import type { Node } from '../node.js';
import type { Restoration } from '../restore/restore.js';
import { type Fencing, sayUnfenced } from './fencing.js';
import { dumpPeerDatabase, freezePeerDatabase } from './peer-database.js';

/**
 * Stops the old primary's app on its machine, and freezes its database when it runs. Safe to repeat.
 *
 * A machine that does not let us in is as unreachable as its agent. One that does, but whose app goes on, may be
 * serving: that is thrown, unless a person takes it upon themselves by `force`.
 * @throws ColdspareError `ssh-not-permitted`, `ssh-command-failed`, `ssh-timed-out`, `ssh-unreachable`
 */
export const fenceOverSsh = async (
  node: Node,
  machine: PeerMachine,
  force: boolean,
  restoration: Restoration,
  fencing: Fencing,
  { operation, signal }: StepContext,
): Promise<string> => {
  let isReached = false;
  try {
    const detail = await machine.reach(signal, async ({ app, database }) => {
      isReached = true;
      await app.stop(signal);
      fencing.outcome = 'fenced-by-ssh';
      if (!(await database.answers())) return 'its app is stopped, its database does not run';
      await freezePeerDatabase(node, database, restoration, operation);
      if (node.settings.rescueTimeout > 0) return 'its app is stopped, its database is frozen';
      await database.stop(signal);
      return 'its app and its database are stopped';
    });
    return noteFenced(node, detail);
  } catch (thrown) {
    signal.throwIfAborted();
    const error = toColdspareError(thrown);
    fencing.sshError = error.code;
    if (fencing.outcome === 'fenced-by-ssh')
      return noteFenced(node, `its app is stopped, but not its database: ${error.message}`);
    noteNotFenced(node, error);
    if (!isReached)
      return sayUnfenced(restoration.epoch, `its agent does not answer, and SSH: ${error.message}`);
    if (!force) throw mayStillRun(error);
    fencing.outcome = 'not-stopped';
    return `forced, although its app may still run: ${error.message}`;
  }
};

/**
 * A last dump of the old primary's database, streamed from its machine into a backup of ours. Whatever comes of it,
 * app and database are stopped then. Safe to repeat. Resolves to the backup's id.
 * @throws ColdspareError as `PeerMachine`, `Database` and `dumpPeerDatabase` say; `ssh-timed-out` after RESCUE_TIMEOUT
 */
export const rescueOverSsh = async (
  node: Node,
  machine: PeerMachine,
  restoration: Restoration,
  { operation, signal }: StepContext,
): Promise<string> => {
  const { rescueTimeout } = node.settings;
  const timeout = AbortSignal.timeout(rescueTimeout);
  const either = AbortSignal.any([signal, timeout]);
  try {
    return await machine.reach(either, async (stack) => {
      await stack.database.start(either);
      try {
        return (await dumpPeerDatabase(node, stack.database, restoration, operation, either)).id;
      } finally {
        await stopForGood(node, stack, either);
      }
    });
  } catch (error) {
    if (signal.aborted || !timeout.aborted) throw error;
    throw new ColdspareError(
      'ssh-timed-out',
      `not within ${formatDuration(rescueTimeout)} over SSH`,
      'raise RESCUE_TIMEOUT when the database is large',
    );
  }
};

/** The app as well: an agent that lives, and only cannot be asked, may have started it again before the freeze. */
const stopForGood = async (
  { log }: Node,
  { app, database }: PeerStack,
  signal: AbortSignal,
): Promise<void> => {
  for (const part of [app, database]) {
    // On a database that is frozen, and marked as such, what goes on does no harm.
    await part
      .stop(signal)
      .catch((error: unknown) =>
        log.warn({ error }, 'the old primary could not be stopped for good'),
      );
  }
};

const noteFenced = (node: Node, detail: string): string => {
  node.observed.fenced = {
    event: 'fenced-by-ssh',
    message: `the agent of the old primary does not answer; over SSH, ${detail}`,
    remedy: `start its agent again: it asks ${node.settings.nodeName} who is primary`,
  };
  return `fenced over SSH: ${detail}`;
};

const noteNotFenced = (node: Node, { message, remedy }: ColdspareError): void => {
  node.observed.fenced = {
    event: 'not-fenced',
    message: `the old primary may still run: its agent does not answer ${node.settings.nodeName}, and SSH failed: ${message}`,
    remedy,
  };
};

const mayStillRun = ({ code, message, value, remedy }: ColdspareError): ColdspareError =>
  new ColdspareError(
    code,
    `the app of the old primary may still run, for it could not be stopped: ${message}`,
    `stop it there by hand or cut its power, then ask again (${remedy}); to take over all the same POST /promote {"force": true}`,
    { value },
  );
