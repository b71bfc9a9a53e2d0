import type { Facts } from '../domain/conditions/condition.js';
import type { NodeStatus } from '../domain/status.js';
import type { Node } from '../operations/node.js';
import { ageOf, usableBackups } from '../operations/promote/choose-backup.js';

/** All that the table of conditions goes by, at this moment: `seen`, and what the status does not say. */
export const collectFacts = (node: Node, seen: Omit<NodeStatus, 'problems'>): Facts => {
  const { settings, state, observed, clock } = node;
  const { mode, since, unusable, confirmed, standDown, pause } = state.current;
  const newest = usableBackups(node)[0];
  const peer = observed.peer?.value;
  const answer = peer === undefined || 'error' in peer ? undefined : peer;
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
    peerServes: peer && (answer?.serving ?? false),
    peerProblems: answer?.problems ?? [],
    hasPeerSsh: node.machine !== undefined,
    sshRemedy: observed.machine?.value.error?.remedy,
    fenced: observed.fenced,
    foreignApp: observed.foreignApp,
    noRoom: observed.noRoom,
    certificateError: observed.certificateError,
    certificateExpiresAt: node.credentials?.current.expiresAt,
    failedChecks: settings.failThreshold * settings.checkInterval,
    appRestartAfter: settings.appRestartAfter,
  };
};
