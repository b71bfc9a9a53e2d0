import { ageOf, currentAt, usableBackups } from '../backups/catalog.js';
import type { ProblemCode } from '../domain/advice.js';
import type { Manifest } from '../domain/manifest.js';
import type { BackupSummary, NodeStatus } from '../domain/status.js';
import type { Node } from '../operations/node.js';
import { formatProbe, isHealthy } from '../ports/probe.js';
import { noteApp } from '../serve/app.js';
import { isServing } from '../serve/serving.js';
import type { StateData } from '../state/node-state.js';

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
    problems: problems(node),
  };
};

/** Everything that can be wrong with a node, as stable words, and how it is told. */
const PROBLEMS = {
  'app-down': (node) => node.state.current.mode === 'primary' && !isServing(node),
  yielding: ({ state }) => state.current.mode === 'yielding',
  'push-failing': ({ state: { current } }) =>
    current.mode === 'primary' && current.push.failingSince !== null,
  'standing-down': ({ state }) => state.current.standDown !== null,
  'backup-stale': (node) => isBackupStale(node),
  'backup-unusable': (node) => unusableBackup(node) !== null,
  'peer-cannot-restore': (node) => peerCannotRestore(node),
  'drill-failed': ({ state }) => state.current.lastDrill?.passed === false,
  'no-room': ({ state, local }) => state.current.mode === 'standby' && Boolean(local.noRoom),
  'certificate-unusable': ({ local }) => Boolean(local.certificateError),
  'certificate-expiring': (node) => isCertificateExpiring(node),
} satisfies Record<ProblemCode, (node: Node) => boolean>;

export const PROBLEM_CODES = Object.keys(PROBLEMS) as ProblemCode[];

/** Why this node does not do its job; empty when it does. */
export const problems = (node: Node): string[] =>
  PROBLEM_CODES.filter((code) => PROBLEMS[code](node));

export const activePause = (node: Node): NodeStatus['pause'] => {
  const { pause } = node.state.current;
  return pause !== null && Date.parse(pause.until) > node.clock.now() ? pause : null;
};

/** A backup that is too old to promote from without force. A new pair has until then to make its first one. */
export const isBackupStale = (node: Node): boolean => {
  const newest = usableBackups(node)[0];
  const age =
    newest === undefined
      ? node.clock.now() - Date.parse(node.state.current.since)
      : ageOf(node, newest);
  return age > node.settings.backupMaxAge;
};

/** Milliseconds before its end from which a certificate is a problem. */
const LAST_DAYS = 14 * 86_400_000;

export const isCertificateExpiring = ({ credentials, clock }: Node): boolean =>
  credentials !== undefined && credentials.current.expiresAt - clock.now() < LAST_DAYS;

/** The last backup that a standby could not restore ahead of time; null once a newer one could, or where nobody tries. */
export const unusableBackup = ({ state, settings }: Node): StateData['unusable'] =>
  settings.prepare === 'on-receive' && state.current.mode === 'standby'
    ? state.current.unusable
    : null;

const peerCannotRestore = ({ state, peerView }: Node): boolean => {
  const peer = peerView.last?.value;
  if (state.current.mode !== 'primary' || peer === undefined || 'error' in peer) return false;
  return peer.problems.includes('backup-unusable');
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
