import type { FenceAnswer } from '../../domain/answers.js';
import type { Served, TakeBackCommand } from '../../domain/commands.js';
import { ColdspareError, isError, toColdspareError } from '../../domain/errors.js';
import type { Plan, StepContext, Steps } from '../../engine/operation.js';
import { retryUnreachable } from '../../peer/retry-unreachable.js';
import { stopApp } from '../../serve/app.js';
import { SERVE_STEPS, serve } from '../../serve/serve.js';
import type { Booter } from '../boot/boot.js';
import { checkLineage } from '../boot/check-lineage.js';
import type { Node } from '../node.js';
import { commitRole, promotion, reportOutcome } from './commit-role.js';

const STEPS = ['stop-app', 'fence', 'check-lineage', 'commit-role', ...SERVE_STEPS] as const;

/** Milliseconds that the peer may take to end what it is doing, such as starting its app. */
const BUSY_TIMEOUT = 60_000;
const BUSY_PAUSE = 1_000;
/** While it asks, nobody may serve. */
const TRIES = 3;

type TakenFrom = Omit<Booter, 'replication'> & Pick<Node, 'notifier'>;

/**
 * Takes the role back from a peer that took over while this node went on serving, because they could not reach each
 * other (H32). Only if nobody has used the peer's takeover: then this node has everything that the peer has, and more.
 * The peer yields as to any takeover, and serves on if this comes to nothing. This node then stands down (guard).
 */
export const planTakeBack = (node: TakenFrom, command: TakeBackCommand): Plan => {
  const { failbackDue, ...served } = command;
  const { epoch: lostAt } = node.state.current;
  return {
    ...promotion(node),
    reason: `superseded at epoch ${lostAt} while it served`,
    command: { type: 'take-back', ...command },
    steps: STEPS,
    // A stand-down is due already. Only one for a later epoch is more urgent.
    isPreemptible: () => (node.state.current.standDown?.epoch ?? 0) > lostAt,
    run: async (steps: Steps<(typeof STEPS)[number]>) => {
      const epoch = node.leadership.nextEpoch();
      reportOutcome(steps, epoch);
      await steps.step('stop-app', ({ signal }) => stopApp(node, signal));
      await steps.step('fence', async (context) => {
        const { detail, unused } = await askToGiveWay(node, { epoch, served }, context);
        if (unused !== true) throw takeoverStands('it did not say that nobody had written there');
        context.say(detail);
      });
      await checkLineage(node, steps);
      const loss = `the other node had taken over at epoch ${lostAt} while this one served, and gave way, because nobody had written there; nothing is lost`;
      steps.report({ loss });
      await commitRole(node, steps, { epoch, cause: 'reclaimed', loss, failbackDue });
      await serve(node, steps);
    },
  };
};

/** @throws ColdspareError `superseded` when the peer does not give way */
const askToGiveWay = async (
  node: Pick<Node, 'peer' | 'clock'>,
  { epoch, served }: { epoch: number; served: Served },
  { operation, signal, say }: StepContext,
): Promise<FenceAnswer> => {
  const deadline = node.clock.elapsed() + BUSY_TIMEOUT;
  const ask = () => node.peer.fenceUnused(operation, epoch, served);
  for (;;) {
    try {
      return await retryUnreachable(node, signal, ask, TRIES);
    } catch (error) {
      signal.throwIfAborted();
      const { message, value } = toColdspareError(error);
      const isBusy = isError(error, 'peer-refused') && value === 'busy';
      if (!isBusy || node.clock.elapsed() >= deadline) throw takeoverStands(message);
      say(message);
      await node.clock.sleep(BUSY_PAUSE, signal);
    }
  }
};

const takeoverStands = (why: string): ColdspareError =>
  new ColdspareError(
    'superseded',
    `the takeover of the other node stands: ${why}`,
    'nothing to do: this node stands down, keeps its own writes in a database of a dated name, and gets the data by failback',
  );
