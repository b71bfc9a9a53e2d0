import type { Condition } from './condition.js';

/** The way to the other server. */
export const PEER = {
  'peer-lost': {
    severity: 'warning',
    when: ({ peer }) => (peer.checkedAt === null ? undefined : !peer.reachable),
    says: 'cannot reach the other agent',
    because: ({ peer }) => `${peer.error ?? 'it was not asked yet'} (${peer.url})`,
    remedy: ({ node, peer }) =>
      `look at the other server; on ${node} this has to answer: curl -sS ${new URL('/health', peer.url).href}`,
    alarm: {
      holds: ({ failedChecks }) => failedChecks,
      over: 'the other agent answers again',
    },
  },
  'ssh-failing': {
    severity: 'warning',
    when: ({ peer, hasPeerSsh }) => {
      if (!hasPeerSsh || peer.ssh?.works) return false;
      // It was not tried yet, or the whole machine is gone, which is said as peer-lost.
      return peer.ssh === null || !peer.reachable ? undefined : true;
    },
    says: 'could not fence the other machine over SSH',
    because: ({ peer }) => peer.ssh?.error ?? 'it was not tried yet',
    remedy: ({ sshRemedy }) =>
      sshRemedy ?? 'check PEER_SSH, PEER_SSH_KEY and PEER_SSH_HOST_KEY of this server',
    alarm: { over: 'the other machine can be reached over SSH' },
  },
  'primary-lost': {
    severity: 'critical',
    mode: 'standby',
    when: ({ lost, pause, operation }) =>
      lost !== undefined && pause === null && operation?.kind !== 'promote',
    says: 'cannot see that the primary serves, and has not taken over',
    because: ({ lost, latest }) => {
      const error = latest?.promote?.error;
      return lost && `${lost}${error ? `; the last promote: ${error.message}` : ''}`;
    },
    remedy: {
      page: 'see whether the users are served. If they are not, press "Promote"; the last promote in the history says why this server does not do it by itself',
      terminal:
        'see whether the users are served. If they are not: coldspare promote; coldspare history says why this server does not do it by itself',
      http: ({ node, latest }) =>
        latest?.promote?.error?.remedy ??
        `see whether the users are served. If they are not: POST /promote on ${node}`,
    },
    isProblem: true,
    alarm: { holds: ({ failedChecks }) => failedChecks, over: 'the primary serves' },
  },
  'check-unfit': {
    severity: 'warning',
    mode: 'standby',
    when: ({ checkUnfit }) => checkUnfit !== undefined,
    says: 'checks the primary at a PRIMARY_CHECK_URL that contradicts its agent',
    because: ({ checkUnfit }) => checkUnfit,
    remedy:
      'correct PRIMARY_CHECK_URL of this server: it must answer 2xx whenever the app of the primary serves (port, address, certificate, Host). Until it does, a no from there starts no takeover',
    isProblem: true,
    alarm: { over: 'PRIMARY_CHECK_URL says the same as the agent of the primary' },
  },
  'witness-unfit': {
    severity: 'warning',
    when: ({ witnessUnfit }) => witnessUnfit !== undefined,
    says: 'does not see the service at WITNESS_URL, although it is there',
    because: ({ witnessUnfit }) => witnessUnfit,
    remedy:
      'see whether the users reach the service. If they do, correct WITNESS_URL: it must answer 2xx, without a redirect and without a login',
    isProblem: true,
    alarm: { over: 'the service answers at WITNESS_URL' },
  },
} satisfies Record<string, Condition>;
