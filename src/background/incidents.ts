import { formatDuration } from '../domain/format.js';
import type { OperationRecord } from '../domain/operation.js';
import type { NodeStatus } from '../domain/status.js';
import type { Mode } from '../domain/transitions.js';
import type { Fenced, Node, Settings } from '../operations/node.js';
import { ageOf, usableBackups } from '../operations/promote/choose-backup.js';
import { formatProbe } from '../ports/probe.js';
import {
  activePause,
  isBackupStale,
  isCertificateExpiring,
  isServing,
  unusableBackup,
} from '../status/node-status.js';
import type { LatestOperations } from './latest-operations.js';

/** What a look at the node found wrong. */
interface Finding {
  severity: 'info' | 'warning' | 'critical';
  message: string;
  remedy: string;
  /** Told once for each of these while the incident lasts; one that changes its face is worth another word. */
  variant?: string;
}

interface Sight {
  node: Node;
  latest: LatestOperations;
  /** Milliseconds since this agent was started. */
  upFor: number;
}

/** What may last for a while on a node. */
export interface Incident {
  /** As it is announced. Other programs branch on it, so it is never renamed. */
  event: string;
  /** The mode in which a node can have it. In another one it is nobody's business any more, which is said as its end. */
  mode?: Mode;
  /** What is wrong; null when nothing is, undefined as long as that cannot be said. */
  look(sight: Sight): Finding | null | undefined;
  /** Milliseconds that it has to last before anybody is told; 0 unless given. */
  patience?(settings: Settings): number;
  /** What is true again at its end; nothing is said when there is none. */
  over?: string;
}

const QUIET = 600_000;
const HOUR = 3_600_000;
const STAND_DOWN_PATIENCE = 300_000;
const HALF_WAY = 10_000;

/** As many failed checks in a row as the monitor wants. */
const failedChecks = ({ failThreshold, checkInterval }: Settings): number =>
  failThreshold * checkInterval;

/** Every incident there is. Each node speaks of what it sees itself: nobody else may be left to say it. */
export const INCIDENTS: readonly Incident[] = [
  {
    event: 'peer-lost',
    patience: failedChecks,
    look: ({ node }) => {
      const peer = node.observed.peer?.value;
      if (peer === undefined) return undefined;
      if (!('error' in peer)) return null;
      return {
        severity: 'warning',
        message: `${nameOf(node)} cannot reach the other agent: ${peer.error}`,
        remedy: `look at the other server; from here: curl -sS ${new URL('/health', node.settings.peerUrl).href}`,
      };
    },
    over: 'the other agent answers again',
  },
  {
    event: 'yielding',
    patience: failedChecks,
    look: ({ node }) => {
      const { yielding } = node.state.current;
      if (yielding === null) return null;
      const peer = node.observed.peer?.value;
      if (peer === undefined) return undefined;
      if (!('error' in peer)) return null;
      return {
        severity: 'critical',
        message: `${nameOf(node)} has promised not to serve until the other node has decided about ${yielding.operation}, and that one does not answer`,
        remedy: `when the other node is gone for good: POST /promote {"force": true} on ${nameOf(node)}`,
      };
    },
    over: 'the other node can say again who serves',
  },
  {
    event: 'app-down',
    mode: 'primary',
    patience: ({ appRestartAfter }) => appRestartAfter,
    look: (sight) => {
      const { node } = sight;
      const { app } = node.observed;
      // A handover stops it, and says itself what came of it; a pause is there for that.
      const isMeant = activePause(node) !== null || node.runner.current?.kind === 'handover';
      if (app === undefined || isMeant) return undefined;
      if (isServing(node)) return null;
      const error = lastStart(sight)?.error;
      return {
        severity: 'critical',
        message: `${nameOf(node)} is the primary and its app does not answer: it ${formatProbe(app.value)}${error ? `; the last start: ${error.message}` : ''}`,
        remedy: error?.remedy ?? "the agent starts it again by itself; read the app's own log",
      };
    },
    over: 'the app answers',
  },
  {
    event: 'backup-failed',
    mode: 'primary',
    look: ({ node, latest }) => {
      const backup = latest.get('backup');
      const { confirmed, epoch } = node.state.current;
      if (!backup?.error || isDumped(backup) || backup.epoch !== epoch) return null;
      // Nothing was written since, and the tick has found the newest one to hold everything.
      if (confirmed !== null && confirmed.at > (backup.endedAt ?? '')) return null;
      return {
        severity: 'critical',
        message: `${nameOf(node)} could not take a backup (${backup.id}): ${backup.error.message}`,
        remedy: `${backup.error.remedy}; then POST /backups on ${nameOf(node)}`,
      };
    },
    over: 'backups are taken again',
  },
  {
    event: 'push-failed',
    mode: 'primary',
    look: ({ node }) => {
      const { push } = node.state.current;
      if (push.failingSince === null) return null;
      return {
        severity: 'warning',
        message: `a backup of ${nameOf(node)} did not reach the other node: ${push.error}`,
        remedy: 'it is sent again by itself; GET /health shows when it worked',
      };
    },
    over: 'backups reach the other node again',
  },
  {
    event: 'backup-stale',
    look: ({ node }) => {
      if (!isBackupStale(node)) return null;
      const newest = usableBackups(node)[0];
      const { backupMaxAge } = node.settings;
      const most = formatDuration(backupMaxAge);
      const what =
        newest === undefined
          ? `has no backup after ${most} (BACKUP_MAX_AGE): there is nothing to take over from`
          : `has had no new backup for ${formatDuration(ageOf(node, newest))} (${newest.id}), BACKUP_MAX_AGE is ${most}: a takeover could lose everything since`;
      return {
        severity: 'critical',
        message: `${nameOf(node)} ${what}`,
        remedy:
          'POST /backups on the primary, and GET /operations there shows what became of the last ones',
      };
    },
    over: 'there is a new backup',
  },
  {
    event: 'backup-unusable',
    mode: 'standby',
    look: ({ node }) => {
      const unusable = unusableBackup(node);
      if (unusable === null) return null;
      const { prepared } = node.state.current;
      const fallback =
        prepared === null
          ? 'no backup is restored ahead of time'
          : `a takeover would go by ${prepared}`;
      return {
        severity: 'critical',
        message: `${unusable.backup} cannot be restored on ${nameOf(node)}: ${unusable.error}; ${fallback}`,
        remedy:
          'POST /backups on the primary takes a new one; then look at the disks of both nodes',
      };
    },
    over: 'a newer backup could be restored',
  },
  {
    event: 'prepare-failed',
    mode: 'standby',
    look: ({ node, latest }) => {
      const prepare = latest.get('prepare');
      const error = prepare?.error;
      if (!error || Date.parse(prepare.startedAt) < Date.parse(node.state.current.since))
        return null;
      // They have incidents of their own, and say nothing of what was wrong before.
      if (error.code === 'backup-unusable' || error.code === 'no-room') return undefined;
      return {
        severity: 'warning',
        message: `${nameOf(node)} could not get ready for a takeover ahead of time: ${error.message}`,
        remedy: `${error.remedy}; it is tried again by itself`,
      };
    },
    over: 'everything is ready for a takeover ahead of time',
  },
  {
    event: 'no-room',
    mode: 'standby',
    look: ({ node }) => {
      const { noRoom } = node.observed;
      if (!noRoom) return noRoom;
      return { severity: 'critical', message: noRoom.message, remedy: noRoom.remedy };
    },
    over: 'there is room for another copy of the database again',
  },
  {
    event: 'drill-failed',
    look: ({ node }) => {
      const { lastDrill } = node.state.current;
      if (lastDrill === null || lastDrill.passed) return null;
      return {
        severity: 'critical',
        message: `the drill of ${nameOf(node)} with ${lastDrill.backup} failed: ${lastDrill.error}`,
        remedy: `POST /backups on the primary, then POST /drill on ${nameOf(node)}: one that passes ends the alarm`,
      };
    },
    over: 'a drill has passed',
  },
  {
    event: 'certificate-unusable',
    // Somebody may only be half-way through replacing the files.
    patience: () => HALF_WAY,
    look: ({ node }) => {
      const { certificateError } = node.observed;
      if (!certificateError) return certificateError;
      return {
        severity: 'warning',
        message: `${nameOf(node)} goes on with its old certificate: ${certificateError.message}`,
        remedy: certificateError.remedy,
      };
    },
    over: 'its certificate files are in use',
  },
  {
    event: 'certificate-expiring',
    look: ({ node }) => {
      const { clock, credentials } = node;
      if (credentials === undefined || !isCertificateExpiring(node)) return null;
      const { expiresAt } = credentials.current;
      return {
        severity: 'warning',
        message: `the certificate of ${nameOf(node)} ${expiresAt < clock.now() ? 'expired' : 'expires'} at ${new Date(expiresAt).toISOString()}`,
        remedy: 'put a new one where TLS_CERT and TLS_KEY are: it is taken up within seconds',
      };
    },
    over: 'its new certificate is in use',
  },
  {
    event: 'promote-failed',
    look: ({ node, latest }) => {
      if (node.state.current.mode === 'primary') return null;
      return failedLately(node, latest.get('promote'), 'critical');
    },
  },
  {
    event: 'handover-failed',
    look: ({ node, latest }) => {
      if (node.state.current.mode === 'standby') return null;
      return failedLately(node, latest.get('handover'), 'warning');
    },
  },
  {
    event: 'serving-alone',
    look: ({ node }) => {
      if (peerAnswers(node)) return null;
      // One that waits has its app down, which is told.
      if (node.observed.alone === undefined || node.settings.alone === 'wait') return undefined;
      return {
        severity: 'warning',
        message: `${nameOf(node)}: ${node.observed.alone}`,
        remedy:
          'check the other node; if it serves too, it has the higher epoch and this one stands down when they meet',
      };
    },
    over: 'the other agent answers, and has said who is primary',
  },
  {
    event: 'not-fenced',
    look: ({ node }) => oldPrimary(node, 'not-fenced'),
    over: 'the old primary answers again',
  },
  {
    event: 'fenced-by-ssh',
    look: ({ node }) => oldPrimary(node, 'fenced-by-ssh'),
    over: 'the agent of the old primary answers again',
  },
  {
    event: 'ssh-failing',
    look: ({ node }) => {
      if (node.machine === undefined) return null;
      const seen = node.observed.machine?.value;
      if (seen?.error === null) return null;
      // A machine that is gone altogether is no news of this.
      if (seen === undefined || !peerAnswers(node)) return undefined;
      return {
        severity: 'warning',
        message: `${nameOf(node)} could not fence the other machine over SSH: ${seen.error.message}`,
        remedy: seen.error.remedy,
      };
    },
    over: 'the other machine can be reached over SSH',
  },
  {
    event: 'standing-down',
    patience: () => STAND_DOWN_PATIENCE,
    look: ({ node, latest }) => {
      const { standDown } = node.state.current;
      if (standDown === null) return null;
      const error = latest.get('stand-down')?.error;
      return {
        severity: 'warning',
        message: `${nameOf(node)} was superseded at epoch ${standDown.epoch} and could not set its database aside yet: ${error?.message ?? 'it is still trying'}`,
        remedy: error?.remedy ?? `GET /operations on ${nameOf(node)} says what it waits for`,
      };
    },
    over: 'its database is set aside',
  },
  {
    event: 'app-stopped',
    look: ({ node, upFor }) => {
      const { clock, observed } = node;
      if (observed.foreignApp === undefined) return upFor < QUIET ? undefined : null;
      if (clock.now() - observed.foreignApp.at > QUIET) return null;
      return {
        severity: 'warning',
        message: `${nameOf(node)} stopped an app that somebody else had started: ${observed.foreignApp.value}`,
        remedy: `find what starts it (a restart policy, systemctl is-enabled, cron) and take it out: the agent alone starts the app`,
      };
    },
  },
  {
    event: 'pause-ended',
    look: ({ node }) => {
      const { pause } = node.state.current;
      if (pause === null || activePause(node) !== null) return null;
      if (node.clock.now() - Date.parse(pause.until) > HOUR) return null;
      const isDue = node.state.current.mode === 'standby' && peerServes(node) === false;
      return {
        severity: isDue ? 'warning' : 'info',
        message: `the pause of ${nameOf(node)} has ended${pause.reason === '' ? '' : ` (${pause.reason})`}: failover and failback go on${isDue ? ', and the primary does not serve' : ''}`,
        remedy: `when the work is not done: POST /pause on ${nameOf(node)}`,
        variant: pause.until,
      };
    },
  },
];

const nameOf = ({ settings }: Node): string => settings.nodeName;

const peerStatus = ({ observed }: Node): NodeStatus | undefined => {
  const peer = observed.peer?.value;
  return peer === undefined || 'error' in peer ? undefined : peer;
};

const peerAnswers = (node: Node): boolean => peerStatus(node) !== undefined;

/** Undefined before it was looked at. */
const peerServes = (node: Node): boolean | undefined =>
  node.observed.peer === undefined ? undefined : (peerStatus(node)?.serving ?? false);

/** The operation that started the app last, or failed to. */
const lastStart = ({ latest }: Sight): OperationRecord | undefined =>
  [latest.get('boot'), latest.get('promote')]
    .filter((record) => record !== undefined)
    .sort((a, b) => (b.endedAt ?? '').localeCompare(a.endedAt ?? ''))[0];

/** Then it is the push that failed. */
const isDumped = ({ steps }: OperationRecord): boolean =>
  steps.some(({ name, state }) => name === 'dump' && (state === 'done' || state === 'undone'));

/** Over when one has worked, or when nobody has tried for an hour. Each reason is told once. */
const failedLately = (
  node: Node,
  record: OperationRecord | undefined,
  severity: Finding['severity'],
): Finding | null => {
  if (!record?.error || record.committed) return null;
  if (node.clock.now() - Date.parse(record.endedAt ?? record.startedAt) > HOUR) return null;
  const { code, message, remedy } = record.error;
  return {
    // Whoever asked was wrong: the users are served.
    severity: code === 'primary-healthy' ? 'info' : severity,
    message: `the ${record.kind} that was asked of ${nameOf(node)} by ${record.source} is ${record.state}: ${message}`,
    remedy,
    variant: code,
  };
};

/** Until its agent answers again, for then it knows who is primary. */
const oldPrimary = (node: Node, event: Fenced['event']): Finding | null | undefined => {
  if (peerAnswers(node)) return null;
  const { fenced } = node.observed;
  if (fenced?.event !== event) return undefined;
  const { message, remedy } = fenced;
  return { severity: event === 'not-fenced' ? 'critical' : 'warning', message, remedy };
};
