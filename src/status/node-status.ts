import { ageOf, currentAt, usableBackups } from '../backups/catalog.js';
import type { Facts } from '../domain/conditions/condition.js';
import { problemsOf } from '../domain/conditions/conditions.js';
import type { Manifest } from '../domain/manifest.js';
import type { BackupSummary, NodeStatus } from '../domain/status.js';
import type { Node } from '../operations/node.js';
import { formatProbe, isHealthy } from '../ports/probe.js';
import { noteApp } from '../serve/app.js';
import { isServing } from '../serve/serving.js';
import { collectFacts } from './facts.js';

/** A status must not be held up by an app that hangs: the peer, which waits CHECK_TIMEOUT, would take this agent for dead. */
const SHARE_OF_CHECK = 1 / 3;

/** As `nodeStatus`, after one more look at the app: who decides by it must not go by a check of seconds ago. */
export const freshStatus = async (node: Node): Promise<NodeStatus> => {
  const giveUp = new AbortController();
  const look = node.stack.app.check().then((result) => noteApp(node, result));
  const patience = node.settings.checkTimeout * SHARE_OF_CHECK;
  await Promise.race([look, node.clock.sleep(patience, giveUp.signal).catch(() => {})]);
  giveUp.abort();
  return nodeStatus(node);
};

/** Everything about a node that a person or the peer may know, from what it saw last. */
export const nodeStatus = (node: Node): NodeStatus => {
  const seen = seenStatus(node);
  return { ...seen, problems: problemsOf(collectFacts(node, seen)) };
};

export const nodeFacts = (node: Node): Facts => collectFacts(node, seenStatus(node));

/** Why this node does not do its job; empty when it does. */
export const problems = (node: Node): string[] => problemsOf(nodeFacts(node));

const seenStatus = (node: Node): Omit<NodeStatus, 'problems'> => {
  const { settings, state, local, stack } = node;
  const { mode, epoch, lineage, since, push, promotion, yielding, failbackDue } = state.current;
  const { prepared, lastDrill } = state.current;
  const newest = usableBackups(node)[0];
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
    },
    database: {
      answers: local.database?.value.answers ?? false,
      marker: local.database?.value.marker ?? null,
    },
    latestBackup: newest === undefined ? null : summary(node, newest),
    prepared,
    lastDrill,
    push,
    peer: peerStatus(node),
    promotion,
    yielding: yielding && {
      operation: yielding.operation,
      epoch: yielding.epoch,
      cause: yielding.cause,
    },
    alone: node.peerView.servingWithoutPeer ?? null,
    pause: activePause(node),
    failback: { policy: settings.failback, due: failbackDue },
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

export const activePause = (node: Node): NodeStatus['pause'] => {
  const { pause } = node.state.current;
  return pause !== null && Date.parse(pause.until) > node.clock.now() ? pause : null;
};

const summary = (node: Node, backup: Manifest): BackupSummary => ({
  id: backup.id,
  epoch: backup.epoch,
  sequence: backup.sequence,
  takenAt: backup.takenAt,
  currentAt: currentAt(node, backup),
  ageSeconds: Math.round(ageOf(node, backup) / 1_000),
  bytes: backup.bytes,
  proof: node.state.current.proofs[backup.id] ?? null,
});

const peerStatus = (node: Node): NodeStatus['peer'] => {
  const { ssh: machine } = node.peerView;
  const seen = node.peerView.last;
  const answer = seen === undefined || 'error' in seen.value ? undefined : seen.value;
  return {
    url: node.settings.peerUrl,
    reachable: answer !== undefined,
    ssh: machine === undefined ? null : sshStatus(machine.value.error?.message ?? null, machine.at),
    role: answer?.role ?? null,
    epoch: answer?.epoch ?? null,
    checkedAt: isoAt(seen?.at),
    error: seen !== undefined && 'error' in seen.value ? seen.value.error : null,
  };
};

const sshStatus = (error: string | null, at: number): NodeStatus['peer']['ssh'] => ({
  works: error === null,
  error,
  checkedAt: isoAt(at),
});

const isoAt = (at: number | undefined): string | null =>
  at === undefined ? null : new Date(at).toISOString();
