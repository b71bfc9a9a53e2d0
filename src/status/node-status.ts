import { ageOf, currentAt, usableBackups } from '../backups/catalog.js';
import type { Facts, Seen } from '../domain/conditions/condition.js';
import { detailsOf, problemsOf } from '../domain/conditions/conditions.js';
import type { Manifest } from '../domain/manifest.js';
import type { BackupSummary, NodeStatus } from '../domain/status.js';
import type { Node } from '../operations/node.js';
import { peerStatus } from '../peer/peer-view.js';
import { formatProbe, isHealthy } from '../ports/probe.js';
import { knownObstacle, noteHealth } from '../serve/app.js';
import type { LocalView } from '../serve/local-view.js';
import { isServing } from '../serve/serving.js';
import { collectFacts, type Observed } from './facts.js';

/**
 * The part of CHECK_TIMEOUT that a status waits for the app. The peer waits CHECK_TIMEOUT for the status itself, and
 * would take this agent for dead if a hung app held it up.
 */
const APP_CHECK_SHARE = 1 / 3;

/** As `nodeStatus`, after a new check of the app, for callers that decide by it. */
export const freshStatus = async (node: Observed): Promise<NodeStatus> => {
  const giveUp = new AbortController();
  const check = node.stack.app.check().then((result) => noteHealth(node, result));
  const timeout = node.settings.checkTimeout * APP_CHECK_SHARE;
  const looks = Promise.all([check, node.replication.look?.()]);
  await Promise.race([looks, node.clock.sleep(timeout, giveUp.signal).catch(() => {})]);
  giveUp.abort();
  return nodeStatus(node);
};

/** The status of a node, from its last checks. */
export const nodeStatus = (node: Observed): NodeStatus => {
  const seen = statusWithoutProblems(node);
  const facts = collectFacts(node, seen);
  const problems = problemsOf(facts);
  return Object.assign(seen, { problems, details: detailsOf(problems, facts) });
};

export const nodeFacts = (node: Observed): Facts => collectFacts(node, statusWithoutProblems(node));

/** Why this node does not do its job; empty when it does. */
export const problems = (node: Observed): string[] => problemsOf(nodeFacts(node));

const statusWithoutProblems = (node: Observed): Seen => {
  const { settings, state, local, stack } = node;
  const { mode, epoch, lineage, since, push, promotion, yielding, failbackDue } = state.current;
  const { prepared, lastDrill, shrunk = [], unserved = null } = state.current;
  const newest = usableBackups(node)[0];
  const obstacle = knownObstacle(node);
  const replication = node.replication.status?.();
  return {
    node: settings.nodeName,
    role: mode === 'standby' ? 'standby' : 'primary',
    mode,
    epoch,
    lineage,
    serving: isServing(node),
    since,
    stack: stack.name,
    app: {
      answers: local.app !== undefined && isHealthy(local.app.value),
      detail: local.app === undefined ? 'not checked yet' : formatProbe(local.app.value),
      checkedAt: isoAt(local.app?.at),
      ...(obstacle !== undefined && { cannotStart: obstacle?.message ?? null }),
      ...(local.images !== undefined && { images: { ...local.images } }),
      ...(local.kept !== undefined && { kept: local.kept }),
    },
    unopened: mode === 'primary' && !local.opened ? (local.startError?.message ?? null) : null,
    database: {
      answers: local.database?.value.answers ?? false,
      marker: local.database?.value.marker ?? null,
    },
    latestBackup: newest === undefined ? null : summary(node, newest),
    prepared,
    lastDrill,
    shrunk,
    push,
    peer: peerFields(node),
    promotion,
    // What a primary inherited says nothing about the standby that it is now.
    unserved: mode === 'standby' ? null : unserved,
    yielding: yielding && {
      operation: yielding.operation,
      epoch: yielding.epoch,
      cause: yielding.cause,
    },
    ...(replication !== undefined && { replication }),
    ...(mode === 'primary' && local.uncarried && { uncarried: local.uncarried }),
    ...(mode === 'standby' && { differences: differencesOf(local) }),
    alone: node.peerView.servingWithoutPeer ?? null,
    pause: activePause(node),
    failback: {
      policy: settings.failback,
      due: failbackDue,
      at: isoAt(local.failback?.at ?? undefined),
      because: local.failback?.because ?? null,
    },
    operation: node.runner.current ?? null,
    policy: {
      alone: settings.alone,
      monitor: settings.monitor,
      witness: settings.witnessUrl !== undefined,
      backupMaxAgeSeconds: settings.backupMaxAge / 1_000,
      rescueTimeoutSeconds: settings.rescueTimeout / 1_000,
    },
  };
};

/** Found by the last preparation. The journal may be of another version. */
const differencesOf = ({ latest }: Pick<LocalView, 'latest'>): string[] => {
  const { differences } = latest.prepare?.result ?? {};
  return Array.isArray(differences) ? differences.map(String) : [];
};

export const activePause = (node: Pick<Node, 'state' | 'clock'>): NodeStatus['pause'] => {
  const { pause } = node.state.current;
  return pause !== null && Date.parse(pause.until) > node.clock.now() ? pause : null;
};

const summary = (node: Pick<Node, 'state' | 'clock'>, backup: Manifest): BackupSummary => ({
  id: backup.id,
  epoch: backup.epoch,
  sequence: backup.sequence,
  takenAt: backup.takenAt,
  currentAt: currentAt(node, backup),
  ageSeconds: Math.round(ageOf(node, backup) / 1_000),
  bytes: backup.bytes,
  proof: node.state.current.proofs[backup.id] ?? null,
});

const peerFields = ({
  peerView,
  settings,
}: Pick<Node, 'peerView' | 'settings'>): NodeStatus['peer'] => {
  const { ssh, last: seen } = peerView;
  const answer = peerStatus(peerView);
  return {
    url: settings.peerUrl,
    reachable: answer !== undefined,
    ssh:
      ssh === undefined
        ? null
        : {
            works: ssh.value.error === null,
            error: ssh.value.error?.message ?? null,
            checkedAt: isoAt(ssh.at),
          },
    role: answer?.role ?? null,
    epoch: answer?.epoch ?? null,
    checkedAt: isoAt(seen?.at),
    error: seen !== undefined && 'error' in seen.value ? seen.value.error : null,
  };
};

const isoAt = (at: number | undefined): string | null =>
  at === undefined ? null : new Date(at).toISOString();
