import { ColdspareError, isError, toColdspareError } from '../../domain/errors.js';
import { hasEnded, type OperationRecord } from '../../domain/operation.js';
import type { StepContext, Steps } from '../../engine/operation.js';
import { pollUntil } from '../../engine/retry.js';
import type { Final } from '../../replication/replication.js';
import type { Node } from '../node.js';

const POLL_PAUSE = 100;

type Asker = Pick<Node, 'peer' | 'clock' | 'settings'>;

/**
 * Offers the role and asks until the peer has decided, however long that takes. After a refusal by the peer, or a
 * cancel here, it asks the peer to cancel instead. An error is no answer, because the peer may have acted on the
 * request.
 * @throws ColdspareError `handover-lost` when the peer did not take over
 */
export const askForDecision = async (
  node: Asker,
  { operation, signal, ending, say }: StepContext,
  { epoch, backup, position }: Final & { epoch: number },
): Promise<void> => {
  for (let isWithdrawn = false; ; ) {
    ending.throwIfAborted();
    isWithdrawn ||= isError(signal.reason, 'cancelled');
    try {
      const record = isWithdrawn
        ? await node.peer.cancel(operation)
        : await node.peer.takeOver(operation, epoch, backup, position);
      if (record.committed) return;
      if (hasEnded(record)) throw notTaken(record);
      say(`the peer is at "${record.steps.at(-1)?.name ?? 'start'}"`);
    } catch (error) {
      if (isError(error, 'handover-lost')) throw error;
      isWithdrawn ||= isError(error, 'peer-refused');
      say(
        `frozen until the peer answers (${toColdspareError(error).message}); if it is gone for good: POST /promote {"force": true}`,
      );
    }
    await node.clock.sleep(POLL_PAUSE, ending).catch(() => {});
  }
};

const notTaken = ({ error, state }: OperationRecord): ColdspareError =>
  new ColdspareError(
    'handover-lost',
    `the peer did not take over: ${error?.message ?? state}`,
    error?.remedy ?? 'this node goes on serving; ask again',
  );

/**
 * The handover ends when users are served again. A peer that cannot be asked may well serve them.
 * @throws ColdspareError `app-failed` when the peer says that its app does not answer; it then gives the role back
 */
export const waitForPeersApp = (node: Asker, steps: Steps<'await-app'>): Promise<void> =>
  steps.step('await-app', async ({ operation, signal, say }) => {
    const wait = {
      timeout: node.settings.appStartTimeout,
      pause: POLL_PAUSE,
      what: "the peer's app answers",
    };
    const ended = async () => {
      const record = await node.peer.operation(operation);
      return record === undefined || hasEnded(record) ? { record } : undefined;
    };
    const { record } = await pollUntil({ clock: node.clock, signal }, wait, ended).catch(
      (error: unknown) => {
        if (isError(error, 'timed-out')) throw notServing('its app still starts');
        say(`it is unknown whether the peer's app answers: ${toColdspareError(error).message}`);
        return { record: undefined };
      },
    );
    if (record?.state === 'done') say("the peer's app answers");
    else if (record !== undefined) throw notServing(record.error?.message ?? record.state);
  });

const notServing = (why: string): ColdspareError =>
  new ColdspareError(
    'app-failed',
    `the peer has the role and does not serve: ${why}`,
    'it gives the role back by itself if this node can serve; GET /status on both nodes shows who is primary',
  );
