import type { DemoteCommand } from '../../domain/commands.js';
import { ColdspareError, isError, Refused, toColdspareError } from '../../domain/errors.js';
import { hasEnded, isInTheWay, type OperationRecord } from '../../domain/operation.js';
import type { NodeStatus } from '../../domain/status.js';
import { nextEpoch } from '../../domain/transitions.js';
import { type Plan, type Step, type StepContext, silently } from '../../engine/plan.js';
import { until } from '../../engine/retry.js';
import { type PeerProbe, probePeer } from '../../peer/probe-peer.js';
import { checkFrozenStep, type Frozen, freeze, isUnwritten } from '../../serve/freeze.js';
import { serveSteps, stopApp, stopDatabaseStep } from '../../serve/serve.js';
import { dumpStep, pushStep, type Taken } from '../backup/backup.js';
import { takeRoleBack } from '../boot/boot.js';
import type { Node } from '../node.js';

const POLL_PAUSE = 100;

/** @throws Refused `not-primary`, `yielding` */
export const assertMayDemote = (node: Node): void => {
  const { mode, epoch } = node.state.current;
  if (mode === 'primary') return;
  throw new Refused(
    mode === 'yielding' ? 'yielding' : 'not-primary',
    `${node.settings.nodeName} is ${mode} at epoch ${epoch}: there is no role to give up`,
    'POST /demote on the primary; GET /status shows which node that is',
    { value: mode },
  );
};

interface Handover extends Frozen {
  taken: Taken;
  /** The epoch offered to the peer. */
  epoch: number;
  /** The peer has said that it took the epoch. */
  isTaken: boolean;
}

/**
 * Gives the role to the peer without losing a write. Until the peer has committed, any failure thaws and goes
 * on serving here; afterwards this node never serves again in its epoch. While the answer is not known it
 * stays frozen and asks.
 */
export const planHandover = (node: Node, command: DemoteCommand): Plan => {
  const handover: Handover = {
    taken: { manifest: undefined },
    writes: undefined,
    epoch: 0,
    isTaken: false,
  };
  return {
    ...handoverPlan(node, command, handover),
    steps: [
      checkPeerStep(node, handover),
      freezeStep(node, handover),
      { ...dumpStep(node, handover.taken), name: 'final-dump' },
      pushStep(node, handover.taken),
      checkFrozenStep(node, handover),
      ...decideSteps(node, handover),
    ],
  };
};

/** Takes up a handover whose offer the peer may have got before this agent was cut. */
export const planInterruptedHandover = (node: Node, command: DemoteCommand): Plan => {
  const { yielding } = node.state.current;
  const manifest = node.backups.list().find(({ id }) => id === yielding?.finalBackup);
  const handover: Handover = {
    taken: { manifest },
    writes: undefined,
    epoch: yielding?.epoch ?? 0,
    isTaken: false,
  };
  return {
    ...handoverPlan(node, command, handover),
    steps: [freezeStep(node, handover), ...decideSteps(node, handover)],
  };
};

const handoverPlan = (
  node: Node,
  command: DemoteCommand,
  handover: Handover,
): Omit<Plan, 'steps'> => ({
  kind: 'handover',
  reason: command.reason || 'asked for',
  command: { type: 'demote', ...command },
  // The peer's word is enough: whatever fails after it, nothing may be taken back.
  isCommitted: () =>
    handover.isTaken || (handover.epoch > 0 && node.state.current.epoch >= handover.epoch),
  // Superseded before the offer: nothing is left to hand over. A standby only waits to hear that all is well. And one that
  // waits for a peer which is gone for good would wait for ever.
  isPreemptible: (by) =>
    node.state.current.standDown !== null ||
    node.state.current.mode === 'standby' ||
    (node.state.current.mode === 'yielding' && by?.takesBack === true),
  result: () => ({ backup: handover.taken.manifest?.id ?? null, epoch: handover.epoch }),
});

const checkPeerStep = (node: Node, handover: Handover): Step => ({
  name: 'check-peer',
  run: async () => {
    const agent = assertPeerReady(node, (await probePeer(node)).agent);
    const { epoch, parity } = node.state.current;
    handover.epoch = nextEpoch(Math.max(epoch, agent.epoch), parity === 'odd' ? 'even' : 'odd');
    return `${agent.node} is a standby and ready`;
  },
});

/** The peer as one that can take over. @throws Refused `peer-not-ready` */
export const assertPeerReady = ({ state }: Node, agent: PeerProbe['agent']): NodeStatus => {
  if ('error' in agent) throw notReady(`its agent does not answer: ${agent.error}`);
  const { lineage } = state.current;
  if (agent.mode !== 'standby') throw notReady(`it is ${agent.mode} at epoch ${agent.epoch}`);
  if (agent.operation !== null && isInTheWay(agent.operation))
    throw notReady(`it runs ${agent.operation.kind} ${agent.operation.id}`);
  if (agent.lineage !== null && agent.lineage !== lineage)
    throw notReady(`it keeps another database (lineage ${agent.lineage}, ours is ${lineage})`);
  return agent;
};

/** From here on clients get errors, so that no write is acknowledged that the final dump does not hold (H12). */
const freezeStep = (node: Node, handover: Handover): Step => ({
  name: 'freeze',
  run: async ({ signal }) => {
    await stopApp(node, signal);
    await node.stack.database.start(signal);
    await freeze(node, handover);
    return 'the app is stopped, the database refuses writes';
  },
  undo: async () => {
    if (node.state.current.mode !== 'primary') return;
    for (const step of serveSteps(node)) await step.run(silently(AbortSignal.timeout(600_000)));
  },
});

const decideSteps = (node: Node, handover: Handover): Step[] => [
  {
    name: 'offer',
    run: async ({ operation }) => {
      const { epoch, taken } = handover;
      const finalBackup = taken.manifest?.id ?? null;
      const writes = `${handover.writes}`;
      const yielding = { operation, epoch, cause: 'handover' as const, finalBackup, writes };
      await node.state.apply('yield', node.state.current.epoch, { yielding });
      return `epoch ${epoch} is the peer's to take`;
    },
    undo: async (error) => {
      // Whoever takes the role back by force asks the peer first.
      if (isError(error, 'preempted') || node.state.current.mode !== 'yielding') return;
      await takeRoleBack(node);
    },
  },
  {
    name: 'await-peer',
    run: async (context) => {
      const record = await peersDecision(node, handover, context);
      handover.isTaken = record.committed;
      if (record.committed) return `the peer is primary at epoch ${handover.epoch}`;
      throw new ColdspareError(
        'handover-lost',
        `the peer did not take over: ${record.error?.message ?? record.state}`,
        record.error?.remedy ?? 'this node goes on serving; ask again',
      );
    },
  },
  {
    name: 'stand-down',
    commits: true,
    run: async () => {
      const { epoch } = handover;
      const { nodeName } = node.settings;
      const isWhole = await isUnwritten(node, node.state.current.yielding?.writes ?? null);
      // What was written past the freeze lies only here: the database is set aside.
      const standDown = isWhole ? null : { epoch, finalBackup: null, writes: null };
      await node.state.apply('superseded', epoch, { standDown, failbackDue: false });
      node.notifier.announce({
        event: 'demoted',
        severity: isWhole ? 'info' : 'critical',
        message: isWhole
          ? `${nodeName} has handed over to the other node without losing a write`
          : `${nodeName} has handed over, but somebody may have written to its database after the last dump: it is kept`,
      });
      return `standby from epoch ${epoch} on`;
    },
  },
  stopDatabaseStep(node),
  awaitAppStep(node),
];

/** Done means that users are served again. What the peer's app does is the peer's business, so nothing here fails. */
const awaitAppStep = (node: Node): Step => ({
  name: 'await-app',
  run: async ({ operation, signal }) => {
    const wait = {
      timeout: node.settings.appStartTimeout,
      pause: POLL_PAUSE,
      what: "the peer's app answers",
    };
    const ended = async () => {
      const record = await node.peer.operation(operation);
      return record === undefined || hasEnded(record) ? { record } : undefined;
    };
    try {
      const { record } = await until({ clock: node.clock, signal }, wait, ended);
      if (record?.state === 'done') return "the peer's app answers";
      return `the peer does not serve yet: ${record?.error?.message ?? 'it has forgotten the operation'}`;
    } catch (error) {
      return `whether the peer's app answers is not known: ${toColdspareError(error).message}`;
    }
  },
});

/**
 * Asks until the peer has decided, however long that takes. A refusal, or being cancelled here, only changes the
 * question to "then never do it": no error is an answer, since the peer may have acted all the same.
 */
const peersDecision = async (
  node: Node,
  { taken, epoch }: Handover,
  { operation, signal, ending, say }: StepContext,
): Promise<OperationRecord> => {
  const backup = taken.manifest?.id ?? '';
  for (let isWithdrawn = false; ; ) {
    ending.throwIfAborted();
    isWithdrawn ||= isError(signal.reason, 'cancelled');
    try {
      const record = isWithdrawn
        ? await node.peer.cancel(operation)
        : await node.peer.takeOver(operation, epoch, backup);
      if (record.committed || hasEnded(record)) return record;
      say(`the peer is at "${record.steps.at(-1)?.name ?? 'start'}"`);
    } catch (error) {
      isWithdrawn ||= isError(error, 'peer-refused');
      say(
        `frozen until the peer answers (${toColdspareError(error).message}); if it is gone for good: POST /promote {"force": true}`,
      );
    }
    await node.clock.sleep(POLL_PAUSE, ending).catch(() => {});
  }
};

const notReady = (why: string): Refused =>
  new Refused(
    'peer-not-ready',
    `the other node cannot take over: ${why}`,
    'GET /status on the other node; this one goes on serving',
  );
