import { ageOf, usableBackups } from '../backups/catalog.js';
import type { Facts } from '../domain/conditions/condition.js';
import type { NodeStatus } from '../domain/status.js';
import type { Node } from '../operations/node.js';
import { peerStatus } from '../peer/peer-view.js';

/** What a status is read from. */
export type Observed = Pick<
  Node,
  | ('settings' | 'state' | 'leadership' | 'backups' | 'runner' | 'stack' | 'clock')
  | ('peerView' | 'local' | 'machine' | 'credentials')
>;

/** The input of the table of conditions: the status `seen`, and facts that the status does not have. */
export const collectFacts = (
  node: Omit<Observed, 'leadership' | 'runner' | 'stack'>,
  seen: Omit<NodeStatus, 'problems'>,
): Facts => {
  const { settings, state, peerView, local, clock } = node;
  const { mode, since, unusable, confirmed, standDown, pause } = state.current;
  const newest = usableBackups(node)[0];
  const peer = peerStatus(peerView);
  const isPreparing = settings.prepare === 'on-receive' && mode === 'standby';
  return {
    ...seen,
    now: clock.now(),
    // A new pair has that long to take its first backup.
    backupAge: newest === undefined ? clock.now() - Date.parse(since) : ageOf(node, newest),
    unusable: isPreparing ? unusable : null,
    confirmedAt: confirmed?.at ?? null,
    isStandingDown: standDown !== null,
    lastPause: pause,
    peerServes: peerView.last && (peer?.serving ?? false),
    peerProblems: peer?.problems ?? [],
    hasPeerSsh: node.machine !== undefined,
    sshRemedy: peerView.ssh?.value.error?.remedy,
    fenced: peerView.fenced,
    foreignApp: local.foreignApp,
    noRoom: local.noRoom,
    certificateError: local.certificateError,
    certificateExpiresAt: node.credentials?.current.expiresAt,
    failedChecks: settings.failThreshold * settings.checkInterval,
    appRestartAfter: settings.appRestartAfter,
  };
};
