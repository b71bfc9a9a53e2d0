import type { PromoteCommand, TakeOverCommand } from '../../domain/commands.js';
import { isError, Refused } from '../../domain/errors.js';
import type { Source } from '../../domain/operation.js';
import { nextEpoch } from '../../domain/transitions.js';
import type { Plan, Step } from '../../engine/plan.js';
import { serveSteps } from '../../serve/serve.js';
import { checkLineageStep } from '../boot/boot.js';
import { isoNow, type Node } from '../node.js';
import { newRestoration, type Restoration, restoreSteps, tidyStep } from '../restore/restore.js';
import { chooseStep, takeGivenStep, weighStep } from './choose-backup.js';
import { fenceAgainStep } from './fence-again.js';
import { fencePeerSteps } from './fence-peer.js';
import { newFencing } from './fencing.js';
import { confirmStep } from './verify-outage.js';

/** @throws Refused `already-primary`, `yielding`, `paused`: what can be said without looking anywhere */
export const assertMayPromote = (
  node: Node,
  { force, planned }: Pick<PromoteCommand, 'force' | 'planned'>,
): void => {
  const { mode, epoch, pause, yielding } = node.state.current;
  if (mode === 'primary') {
    throw new Refused(
      'already-primary',
      `${node.settings.nodeName} is the primary already, at epoch ${epoch}; nothing was touched`,
      'nothing to do; GET /status shows whether the app answers',
      { value: epoch },
    );
  }
  if (force) return;
  if (mode === 'yielding') {
    throw new Refused(
      'yielding',
      `${node.settings.nodeName} has promised not to serve until the other node has decided about ${yielding?.operation}`,
      'ask the other node: GET /status; when it is gone for good, POST /promote {"force": true} takes the role back',
      { value: yielding?.operation },
    );
  }
  if (pause !== null && Date.parse(pause.until) > node.clock.now()) {
    throw new Refused(
      'paused',
      `failover is paused until ${pause.until}${pause.reason === '' ? '' : `: ${pause.reason}`}`,
      `DELETE /pause, or POST /promote {${planned ? '"planned": true, ' : ''}"force": true}`,
      { value: pause.until },
    );
  }
};

/** Takes over from a primary that is gone. A yielding node takes back what it had promised away. */
export const planPromote = (node: Node, command: PromoteCommand, source: Source): Plan =>
  node.state.current.mode === 'yielding'
    ? planReclaim(node, command, source)
    : planFailover(node, command, source);

const planFailover = (node: Node, command: PromoteCommand, source: Source): Plan => {
  const restoration = { ...newRestoration(0), force: command.force };
  const fencing = newFencing();
  return {
    ...promotion(node),
    reason: command.reason || `asked by ${source}`,
    command: { type: 'promote', source, ...command },
    steps: [
      confirmStep(node, command, source),
      weighStep(node, command, restoration),
      ...fencePeerSteps(node, command, restoration, fencing),
      chooseStep(node, command, restoration),
      ...restoreSteps(node, restoration),
      fenceAgainStep(node, fencing),
      commitStep(node, restoration, 'unplanned'),
      ...serveSteps(node),
      tidyStep(node),
    ],
    result: () => ({
      ...outcome(restoration),
      fenced: fencing.outcome ?? null,
      sshError: fencing.sshError ?? null,
      rescue: restoration.complete ?? fencing.notRescued ?? null,
    }),
  };
};

/** The second half of the peer's handover: its last backup is here, its writes are frozen. */
export const planTakeOver = (node: Node, command: TakeOverCommand): Plan => {
  const restoration = newRestoration(command.epoch);
  return {
    ...promotion(node),
    reason: 'handover from the other node',
    command: { type: 'take-over', ...command },
    steps: [
      takeGivenStep(node, command.backup, restoration),
      ...restoreSteps(node, restoration),
      commitStep(node, restoration, 'planned'),
      ...serveSteps(node),
      tidyStep(node),
    ],
    result: () => outcome(restoration),
  };
};

/** A person vouches that the peer is gone: the data is here already, only the promise has to be outbid. */
const planReclaim = (node: Node, command: PromoteCommand, source: Source): Plan => {
  const { epoch, yielding, parity } = node.state.current;
  const restoration = newRestoration(nextEpoch(Math.max(epoch, yielding?.epoch ?? 0), parity));
  return {
    ...promotion(node),
    reason: command.reason || 'the promise to the other node was taken back by force',
    command: { type: 'promote', source, ...command },
    steps: [
      withdrawStep(node),
      checkLineageStep(node),
      commitStep(node, restoration, 'reclaimed'),
      ...serveSteps(node),
    ],
    takesBack: true,
    result: () => outcome(restoration),
  };
};

/** A promise is only taken back where its holder does not answer, or has given it up: otherwise two would serve. */
const withdrawStep = (node: Node): Step => ({
  name: 'withdraw',
  run: async () => {
    const operation = node.state.current.yielding?.operation ?? '';
    try {
      const record = await node.peer.cancel(operation);
      // It may have taken over in another operation since, while it could not reach us.
      const hasTakenOver = record.committed || node.observed.epoch > node.state.current.epoch;
      if (!hasTakenOver) return `the other node has given up ${operation}`;
    } catch (error) {
      if (!isError(error, 'peer-unreachable')) throw error;
      return `the other node cannot be asked: ${error.message}`;
    }
    throw new Refused(
      'superseded',
      `the other node has taken over already, in ${operation} or since`,
      'nothing to do: this node stands down by itself; to have the role back POST /promote {"planned": true}',
      { value: operation },
    );
  },
});

/** What all three have in common: from the moment the epoch is ours on disk, there is no going back (H07). */
const promotion = (node: Node): Pick<Plan, 'kind' | 'isCommitted' | 'isPreemptible'> => ({
  kind: 'promote',
  isCommitted: (operation) => node.state.current.promotion?.operation === operation,
  // Superseded while it was still starting its app: standing down is more urgent.
  isPreemptible: () => node.state.current.standDown !== null,
});

const commitStep = (
  node: Node,
  restoration: Restoration,
  cause: 'planned' | 'unplanned' | 'reclaimed',
): Step => ({
  name: 'commit-role',
  commits: true,
  run: async ({ operation }) => {
    const { lineage, failovers, parity, failbackDue } = node.state.current;
    const at = isoNow(node);
    const { epoch, chosen } = restoration;
    await node.state.apply('promoted', epoch, {
      lineage: chosen?.lineage ?? lineage,
      promotion: { operation, epoch, backup: chosen?.id ?? null, at },
      failbackDue: cause === 'reclaimed' ? failbackDue : cause === 'unplanned' && parity === 'even',
      failovers: cause === 'unplanned' ? [...failovers, at].slice(-10) : failovers,
      standDown: null,
      prepared: null,
      unusable: null,
    });
    node.notifier.announce({
      event: 'promoted',
      severity: cause === 'unplanned' ? 'critical' : 'info',
      message: `${node.settings.nodeName} is the primary from epoch ${epoch} on; ${restoration.loss ?? 'its own data was kept'}`,
      remedy: `GET /operations/${operation}`,
    });
    return `primary at epoch ${epoch}`;
  },
});

const outcome = ({ chosen, loss, passedOver, rejected, keptAs, epoch }: Restoration) => ({
  epoch,
  backup: chosen?.id ?? null,
  backupTakenAt: chosen?.takenAt ?? null,
  loss: loss ?? null,
  rejectedBackups: [...passedOver, ...rejected],
  replacedDatabase: keptAs ?? null,
});
