import type { DemoteCommand } from '../../domain/commands.js';
import { failedDump } from '../../domain/conditions/backups.js';
import { conditionOf, handoverObstacle } from '../../domain/conditions/conditions.js';
import { isError, Refused } from '../../domain/errors.js';
import { isInTheWay } from '../../domain/operation.js';
import type { NodeStatus } from '../../domain/status.js';
import { type Plan, type Steps, unrecorded } from '../../engine/operation.js';
import { type PeerProbe, probePeer } from '../../peer/probe-peer.js';
import type { Final } from '../../replication/replication.js';
import { stopApp } from '../../serve/app.js';
import { assertOwnUnwritten, freeze, isUnwritten } from '../../serve/freeze.js';
import { serve } from '../../serve/serve.js';
import type { Node } from '../node.js';
import { askForDecision, waitForPeersApp } from './ask-peer.js';

const SERVE_AGAIN_TIMEOUT = 600_000;

const DECIDE_STEPS = ['offer', 'await-peer', 'stand-down', 'stop-database', 'await-app'] as const;

/** What a handover acts through. */
export type HandoverNode = Pick<
  Node,
  | ('settings' | 'state' | 'leadership' | 'replication' | 'stack' | 'local')
  | ('peer' | 'peerView' | 'probe' | 'clock' | 'notifier' | 'log')
>;

/** @throws Refused `not-primary`, `yielding`, `peer-not-ready` */
export const assertMayDemote = ({
  state,
  settings,
  local,
}: Pick<Node, 'state' | 'settings' | 'local'>): void => {
  const { mode, epoch, confirmed } = state.current;
  if (mode === 'primary') {
    const confirmedAt = confirmed?.at ?? null;
    const failed = failedDump({ latest: local.latest, confirmedAt, epoch })?.error;
    if (failed)
      throw notReady(
        `the last dump failed: ${failed.message}`,
        `${failed.remedy}; then POST /backups`,
      );
    return;
  }
  throw new Refused(
    mode === 'yielding' ? 'yielding' : 'not-primary',
    `${settings.nodeName} is ${mode} at epoch ${epoch}: there is no role to give up`,
    'POST /demote on the primary; GET /status shows which node that is',
    { value: mode },
  );
};

/**
 * Gives the role to the peer without losing a write. Before the peer's commit, any failure thaws the database and this
 * node goes on serving. After it, this node never serves again in its epoch. While the answer is unknown, this node
 * stays frozen and asks.
 */
export const planHandover = (node: HandoverNode, command: DemoteCommand): Plan => ({
  ...handoverPlan(node, command),
  steps: [
    ...['check-peer', 'freeze', ...node.replication.steps.finalSync, 'check-frozen'],
    ...DECIDE_STEPS,
  ],
  run: async (steps) => {
    steps.report({ backup: null, epoch: 0 });
    const epoch = await checkPeer(node, steps);
    steps.report({ epoch });
    const writes = await freezeWrites(node, steps);
    const final = await node.replication.finalSync(steps);
    await steps.step('check-frozen', async ({ say }) => {
      if (final.position !== null) return say('the database is stopped, and the peer has its log');
      await assertOwnUnwritten(node, writes);
      say('nothing was written since the freeze');
    });
    await decide(node, steps, { ...final, epoch, writes: final.position ? null : `${writes}` });
  },
});

/** Continues a handover after a crash: the peer may have received the offer. */
export const planInterruptedHandover = (node: HandoverNode, command: DemoteCommand): Plan => ({
  ...handoverPlan(node, command),
  steps: ['freeze', ...DECIDE_STEPS],
  run: async (steps) => {
    const { yielding } = node.state.current;
    const { epoch = 0, finalBackup = null, writes = null, finalPosition = null } = yielding ?? {};
    steps.report({ backup: finalBackup, epoch });
    if (finalPosition !== null) {
      await keepStopped(node, steps);
      return decide(node, steps, { epoch, backup: null, position: finalPosition, writes: null });
    }
    const counted = await freezeWrites(node, steps);
    // The count from before the offer, so that writes made while the agent was down are noticed. PostgreSQL forgets its
    // counts in a crash: a lower one says nothing.
    const before = writes !== null && BigInt(writes) <= counted ? BigInt(writes) : counted;
    const final = { backup: finalBackup, position: null };
    await decide(node, steps, { ...final, epoch, writes: `${before}` });
  },
});

const handoverPlan = (
  node: Pick<Node, 'state'>,
  command: DemoteCommand,
): Omit<Plan, 'steps' | 'run'> => ({
  kind: 'handover',
  reason: command.reason || 'requested',
  command: { type: 'demote', ...command },
  // The peer's commit decides: whatever fails afterwards, nothing may be undone.
  isCommitted: ({ committed, epoch }) => committed || node.state.current.epoch > epoch,
  // Superseded before the offer: there is nothing left to hand over. A standby only waits for the peer's app. A
  // yielding node may be waiting for a peer that never comes back, so a person can reclaim the role.
  isPreemptible: (by) =>
    node.state.current.standDown !== null ||
    node.state.current.mode === 'standby' ||
    (node.state.current.mode === 'yielding' && by?.reclaims === true),
});

/** Resolves to the epoch that is offered to the peer. */
const checkPeer = (node: HandoverNode, steps: Steps<'check-peer'>): Promise<number> =>
  steps.step('check-peer', async ({ signal, say }) => {
    const agent = assertPeerReady(node, (await probePeer(node)).agent);
    await node.replication.beforeFreeze?.(signal);
    say(`${agent.node} is a standby and ready`);
    return node.leadership.nextEpochOfPeer(agent.epoch);
  });

/** Returns the status of a peer that can take over. @throws Refused `peer-not-ready` */
export const assertPeerReady = (
  { state }: Pick<Node, 'state'>,
  agent: PeerProbe['agent'],
): NodeStatus => {
  if ('error' in agent) throw notReady(`its agent does not answer: ${agent.error}`);
  const { lineage } = state.current;
  if (agent.mode !== 'standby') throw notReady(`it is ${agent.mode} at epoch ${agent.epoch}`);
  if (agent.operation !== null && isInTheWay(agent.operation))
    throw notReady(`it runs ${agent.operation.kind} ${agent.operation.id}`);
  if (agent.lineage !== null && agent.lineage !== lineage)
    throw notReady(`it keeps another database (lineage ${agent.lineage}, ours is ${lineage})`);
  assertNoObstacle(agent);
  return agent;
};

/**
 * What a node knows of itself says beforehand that its restore or its start would fail. Found out only during the
 * handover, that is an outage for nothing. @throws Refused `peer-not-ready`
 */
export const assertNoObstacle = ({
  node,
  problems,
  details,
}: Pick<NodeStatus, 'node' | 'problems' | 'details'>): void => {
  const code = handoverObstacle(problems);
  if (code === undefined) return;
  const { because, remedy } = details?.[code] ?? {};
  throw notReady(
    `${node} ${conditionOf(code).says} (${code})${because ? `: ${because}` : ''}`,
    remedy,
  );
};

const notReady = (why: string, remedy = 'GET /status on the other node'): Refused =>
  new Refused(
    'peer-not-ready',
    `the standby cannot take over: ${why}`,
    `${remedy}; the primary goes on serving`,
  );

/**
 * From here on clients get errors, so that no write is acknowledged that is not in the final dump (H12).
 * Resolves to the count of rows written so far.
 */
const freezeWrites = (node: HandoverNode, steps: Steps<'freeze'>): Promise<bigint> =>
  steps.step(
    'freeze',
    async ({ signal, say }) => {
      await stopApp(node, signal);
      await node.stack.database.start(signal);
      const writes = await freeze(node.stack.database);
      say('the app is stopped, the database refuses writes');
      return writes;
    },
    {
      undo: async () => {
        if (node.state.current.mode !== 'primary') return;
        await serve(node, unrecorded(SERVE_AGAIN_TIMEOUT));
      },
    },
  );

/** What the peer was offered ends where the log ended when the database was stopped. */
const keepStopped = (node: HandoverNode, steps: Steps<'freeze'>): Promise<void> =>
  steps.step('freeze', async ({ signal, say }) => {
    await stopApp(node, signal);
    await node.stack.database.stop(signal);
    say('the app and the database are stopped');
  });

interface Offer extends Final {
  /** The epoch offered to the peer. */
  epoch: number;
  /** Count of rows written when writes were frozen; null when they were not counted. */
  writes: string | null;
}

/** From the offer on, only the peer can say who is primary. */
const decide = async (
  node: HandoverNode,
  steps: Steps<(typeof DECIDE_STEPS)[number]>,
  { epoch, backup, position, writes }: Offer,
): Promise<void> => {
  await steps.step(
    'offer',
    async ({ operation, say }) => {
      const promised = { operation, epoch, cause: 'handover' as const };
      const final = { finalBackup: backup, ...(position !== null && { finalPosition: position }) };
      await node.leadership.handOff({ ...promised, ...final, writes });
      say(`epoch ${epoch} is offered to the peer`);
    },
    {
      undo: async (error) => {
        // Preempted by a reclaim, which asks the peer itself.
        if (isError(error, 'preempted') || node.state.current.mode !== 'yielding') return;
        await node.leadership.takeBack();
      },
    },
  );
  await steps.step('await-peer', async (context) => {
    await askForDecision(node, context, { epoch, backup, position });
    context.commit();
    context.say(`the peer is primary at epoch ${epoch}`);
  });
  await steps.step('stand-down', async ({ say }) => {
    await standDown(node, epoch, position);
    say(`standby from epoch ${epoch} on`);
  });
  await steps.step('stop-database', ({ signal }) => node.stack.database.stop(signal));
  await waitForPeersApp(node, steps);
};

const standDown = async (
  node: HandoverNode,
  epoch: number,
  position: string | null,
): Promise<void> => {
  const { nodeName } = node.settings;
  const { writes = null } = node.state.current.yielding ?? {};
  const isComplete = await isUnwritten(node.stack.database, writes);
  // Rows written after the freeze exist only here, so the database is set aside. A stopped one is compared by its log.
  await node.leadership.concede(
    epoch,
    isComplete && position === null ? null : { epoch, finalBackup: null, writes: null },
  );
  node.notifier.announce({
    event: 'demoted',
    severity: isComplete ? 'info' : 'critical',
    message: isComplete
      ? `${nodeName} has handed over to the other node without losing a write`
      : `${nodeName} has handed over, but somebody may have written to its database after the last dump: it is kept`,
  });
};
