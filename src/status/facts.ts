import { ageOf, usableBackups } from '../backups/catalog.js';
import type { Facts } from '../domain/conditions/condition.js';
import type { NodeStatus } from '../domain/status.js';
import type { Node } from '../operations/node.js';
import { peerStatus } from '../peer/peer-view.js';

/** All that the table of conditions goes by, at this moment: `seen`, and what the status does not say. */
export const collectFacts = (node: Node, seen: Omit<NodeStatus, 'problems'>): Facts => {
  const { settings, state, peerView, local, clock } = node;
  const { mode, since, unusable, confirmed, standDown, pause } = state.current;
  const newest = usableBackups(node)[0];
  const peer = peerStatus(peerView);
  const preparesAhead = settings.prepare === 'on-receive' && mode === 'standby';
  return {
    ...seen,
    now: clock.now(),
    // A new pair has until then to make its first one.
    backupAge: newest === undefined ? clock.now() - Date.parse(since) : ageOf(node, newest),
    unusable: preparesAhead ? unusable : null,
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
