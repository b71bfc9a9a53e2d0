import { ColdspareError, toColdspareError } from '../../domain/errors.js';
import type { StepContext } from '../../engine/operation.js';
import type { PeerMachine } from '../../peer/peer-machine.js';
import { isProven } from '../../state/baseline.js';
import { type Fenced, type FenceRequest, type Fencer, formatUnfenced } from './fenced.js';
import { type Claim, freezePeerDatabase } from './peer-database.js';

/**
 * Stops the old primary's app over SSH, and freezes its database if it runs. Safe to repeat.
 *
 * A machine without a login counts as unreachable, like its agent. If the login works but the app cannot be stopped,
 * the old primary may be serving: that is an error, unless `force` accepts it.
 * @throws ColdspareError `ssh-not-permitted`, `ssh-command-failed`, `ssh-timed-out`, `ssh-unreachable`
 */
export const fenceOverSsh = async (
  node: Fencer,
  machine: PeerMachine,
  { epoch: wanted, force }: FenceRequest,
  { operation, signal, say }: StepContext,
): Promise<Omit<Fenced, 'triedAt'>> => {
  const claim: Claim = { operation, epoch: wanted };
  let isReached = false;
  let isStopped = false;
  try {
    const detail = await machine.reach(signal, async ({ app, database }) => {
      isReached = true;
      await app.stop(signal, isProven(node, 'PRIMARY_CHECK_URL'));
      isStopped = true;
      if (!(await database.answers())) return 'its app is stopped, its database does not run';
      await freezePeerDatabase(node, database, claim);
      if (node.settings.rescueTimeout > 0) return 'its app is stopped, its database is frozen';
      await database.stop(signal);
      return 'its app and its database are stopped';
    });
    say(noteFenced(node, detail));
    return { outcome: 'fenced-by-ssh', epoch: claim.epoch, sshError: null };
  } catch (thrown) {
    signal.throwIfAborted();
    const error = toColdspareError(thrown);
    const sshError = error.code;
    const { epoch } = claim;
    if (isStopped) {
      say(noteFenced(node, `its app is stopped, but not its database: ${error.message}`));
      return { outcome: 'fenced-by-ssh', epoch, sshError };
    }
    noteNotFenced(node, error);
    if (!isReached) {
      say(formatUnfenced(epoch, `its agent does not answer, and SSH: ${error.message}`));
      return { outcome: 'unreachable', epoch, sshError };
    }
    if (!force) throw mayStillRun(error);
    say(`forced, although its app may still run: ${error.message}`);
    return { outcome: 'not-stopped', epoch, sshError };
  }
};

const noteFenced = (node: Fencer, detail: string): string => {
  node.peerView.fenced = {
    event: 'fenced-by-ssh',
    message: `the agent of the old primary does not answer; over SSH, ${detail}`,
    remedy: `start its agent again: it asks ${node.settings.nodeName} who is primary`,
  };
  return `fenced over SSH: ${detail}`;
};

const noteNotFenced = (node: Fencer, { message, remedy }: ColdspareError): void => {
  node.peerView.fenced = {
    event: 'not-fenced',
    message: `the old primary may still run: its agent does not answer ${node.settings.nodeName}, and SSH failed: ${message}`,
    remedy,
  };
};

const mayStillRun = ({ code, message, value, remedy }: ColdspareError): ColdspareError =>
  new ColdspareError(
    code,
    `the app of the old primary may still run: it could not be stopped: ${message}`,
    `stop it there by hand or power the machine off, then ask again (${remedy}); to take over regardless POST /promote {"force": true}`,
    { value },
  );
