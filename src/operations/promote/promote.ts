import type { Rejected } from '../../backups/catalog.js';
import type { PromoteCommand } from '../../domain/commands.js';
import { inheritedFrom, type Unserved } from '../../domain/common-cause.js';
import { isError, Refused, toColdspareError } from '../../domain/errors.js';
import type { Source } from '../../domain/operation.js';
import type { Plan, Steps } from '../../engine/operation.js';
import { peerStatus } from '../../peer/peer-view.js';
import type { PeerProbe } from '../../peer/probe-peer.js';
import type { TakenOver } from '../../replication/replication.js';
import { beginToLook } from '../../serve/app.js';
import { SERVE_STEPS, serve } from '../../serve/serve.js';
import { noteUnused } from '../../serve/unused.js';
import type { Node } from '../node.js';
import { commitRole, promotion, reportOutcome } from './commit-role.js';
import { assertStillUnreachable } from './fence-again.js';
import { fencePeer } from './fence-peer.js';
import { planReclaim } from './reclaim.js';
import { rescue } from './rescue.js';
import { verifyOutage } from './verify-outage.js';

/** Checks what needs no probe. @throws Refused `already-primary`, `yielding`, `paused` */
export const assertMayPromote = (
  node: Pick<Node, 'state' | 'settings' | 'clock'>,
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

/** Who requests a takeover, and the evidence for the outage. */
export interface PromoteAsked {
  source: Source;
  /** The monitor's last failed check. */
  evidence?: PeerProbe | undefined;
}

/** Takes over from a lost primary. On a yielding node, takes the role back. */
export const planPromote = (node: Node, command: PromoteCommand, asked: PromoteAsked): Plan =>
  node.state.current.mode === 'yielding'
    ? planReclaim(node, command, asked.source)
    : planTakeOverFromLost(node, command, asked);

const planTakeOverFromLost = (
  node: Node,
  command: PromoteCommand,
  { source, evidence }: PromoteAsked,
): Plan => ({
  ...promotion(node),
  reason: command.reason || `requested by ${source}`,
  command: { type: 'promote', source, ...command },
  steps: [
    ...['confirm', 'assess-loss', 'check-app', 'fence', 'rescue'],
    ...[...node.replication.steps.takeOver, 'fence-again', 'commit-role', ...SERVE_STEPS],
    ...node.replication.steps.afterTakeOver,
  ],
  run: async (steps) => {
    reportOutcome(steps);
    steps.report({ fenced: null, sshError: null, rescue: null });
    const attempt: Attempt = { source, evidence, rejected: [] };
    const ready = await prepareTakeover(node, steps, command, attempt).catch((error: unknown) => {
      if (!isError(error, 'peer-is-back')) throw error;
      // Starts over, but only once, so that the operation ends.
      return prepareTakeover(node, steps, command, { ...attempt, evidence: undefined });
    });
    await commitRole(node, steps, { ...ready, cause: 'unplanned' });
    await serve(node, steps, () => noteUnused(node));
    await node.replication.afterTakeOver(steps);
  },
});

interface Attempt extends PromoteAsked {
  /** Backups that an earlier attempt of this operation could not restore. */
  rejected: Rejected[];
}

/** Everything before the commit: stops the old primary, and makes this node's database the newest one available. */
const prepareTakeover = async (
  node: Node,
  steps: Steps,
  command: PromoteCommand,
  { source, evidence, rejected }: Attempt,
): Promise<TakenOver & { epoch: number; unserved: Unserved | null }> => {
  const { force } = command;
  const outage = await verifyOutage(node, steps, command, source, evidence);
  const wanted = await assessLoss(node, steps, force, rejected);
  steps.report({ epoch: wanted });
  // What was missing at the last look, and still is, keeps this node from taking anything away from the other one. Only
  // then it looks again: users are waiting.
  await steps.step('check-app', async () => {
    if (!force && node.local.unstartable) await beginToLook(node)();
  });
  const fenced = await fencePeer(node, steps, { epoch: wanted, force }, outage);
  const { complete, position, epoch } = await rescue(node, steps, fenced);
  steps.report({ epoch });
  const taken = await node.replication.takeOver(steps, {
    ...{ epoch, force, complete, position, rejected },
  });
  await assertStillUnreachable(node, steps, fenced, force);
  const { agent } = outage.probe;
  return { ...taken, epoch, unserved: 'error' in agent ? null : inheritedFrom(agent) };
};

/**
 * Reports what the takeover would lose, before anything is changed. Refuses when no backup can be used and no last dump
 * of the old primary is possible. Resolves to the epoch that this node claims.
 */
const assessLoss = (
  node: Node,
  steps: Steps<'assess-loss'>,
  force: boolean,
  rejected: readonly Rejected[],
): Promise<number> =>
  steps.step('assess-loss', async ({ say }) => {
    try {
      say(node.replication.assessLoss(force, rejected));
    } catch (refusal) {
      if (!isRescuePossible(node)) throw refusal;
      const { message } = toColdspareError(refusal);
      say(`needs a last dump of the old primary: ${message}`);
    }
    return node.leadership.nextEpoch();
  });

/** Whether a last dump of the old primary may be possible: its agent answered the last probe, or SSH is set up. */
export const isRescuePossible = ({
  settings,
  peerView,
  machine,
}: Pick<Node, 'settings' | 'peerView' | 'machine'>): boolean =>
  settings.rescueTimeout > 0 && (peerStatus(peerView) !== undefined || machine !== undefined);
