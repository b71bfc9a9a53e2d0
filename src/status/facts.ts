import { ageOf, aheadBy, usableBackups } from '../backups/catalog.js';
import type { Facts, Seen } from '../domain/conditions/condition.js';
import type { Node } from '../operations/node.js';
import { type Contradiction, peerStatus } from '../peer/peer-view.js';
import { isProven } from '../state/baseline.js';

/** What a status is read from. */
export type Observed = Pick<
  Node,
  | ('settings' | 'state' | 'leadership' | 'backups' | 'runner' | 'stack' | 'clock')
  | ('peerView' | 'local' | 'machine' | 'credentials' | 'notifier' | 'replication')
>;

/** The input of the table of conditions: the status `seen`, and facts that the status does not have. */
export const collectFacts = (
  node: Omit<Observed, 'leadership' | 'runner' | 'stack' | 'replication'>,
  seen: Seen,
): Facts => {
  const { settings, state, peerView, local, clock } = node;
  const { mode, since, unusable, confirmed, standDown, pause } = state.current;
  const newest = usableBackups(node)[0];
  const peer = peerStatus(peerView);
  const failedChecks = settings.failThreshold * settings.checkInterval;
  const lasting = (contradiction: Contradiction | undefined) =>
    contradiction !== undefined && clock.elapsed() - contradiction.since >= failedChecks
      ? contradiction.detail
      : undefined;
  const isPreparing = settings.prepare === 'on-receive' && mode === 'standby';
  const own = {
    now: clock.now(),
    // A new pair has that long to take its first backup.
    backupAge: newest === undefined ? clock.now() - Date.parse(since) : ageOf(node, newest),
    backupAheadBy: newest === undefined ? 0 : aheadBy(node, newest),
    unusable: isPreparing ? unusable : null,
    undumped: newest?.values?.uncarried,
    confirmedAt: confirmed?.at ?? null,
    isStandingDown: standDown !== null,
    lastPause: pause,
    peerServes: peerView.last && (peer?.serving ?? false),
    peerProblems: peer?.problems ?? [],
    peerProof: peer?.latestBackup?.proof?.error,
    hasPeerSsh: node.machine !== undefined,
    sshRemedy: peerView.ssh?.value.error?.remedy,
    isHealthProven: isProven(node, 'APP_HEALTH_URL'),
    checkUnfit: lasting(peerView.checkUnfit),
    witnessUnfit: lasting(peerView.witnessUnfit),
    lost: peerView.lost,
    fenced: peerView.fenced,
    foreignApp: local.foreignApp,
    diskSpace: local.diskSpace?.value,
    noRoom: local.noRoom,
    dumpSilence: local.dumpSilence,
    certificateError: local.certificateError,
    hookError: local.hookError,
    channels: node.notifier.failing?.(),
    restarts: local.restarts,
    latest: local.latest,
    certificateExpiresAt: node.credentials?.current.expiresAt,
    failedChecks,
    appRestartAfter: settings.appRestartAfter,
  };
  // Every check asks for them, and a spread of so many fields takes ten times as long.
  return Object.assign(own, seen);
};
