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
} satisfies Record<string, Condition>;
