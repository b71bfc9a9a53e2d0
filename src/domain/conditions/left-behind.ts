import type { Condition } from './condition.js';

/** What backups do not carry. It is said from the first day: after a takeover it is too late. */
export const LEFT_BEHIND = {
  'left-behind': {
    severity: 'info',
    mode: 'primary',
    when: ({ uncarried }) => uncarried && uncarried.length > 0,
    says: 'has what a takeover leaves behind, because no backup carries it',
    because: ({ uncarried }) => uncarried?.join('; '),
    remedy:
      'see that the other server has it as well, or that the app can do without; the manual (wrangler-free-readme.md, "What a takeover leaves behind") says how',
    alarm: { variant: ({ uncarried }) => uncarried?.join('; ') ?? '' },
  },
  'role-command-failed': {
    severity: 'critical',
    when: ({ hookError }) => hookError !== undefined,
    says: 'could not run the command for its change of role, so a queue may still have old jobs',
    because: ({ hookError }) => hookError?.message,
    remedy:
      'do by hand what the command was to do. On a standby it is tried again by itself; on a primary a restart of the agent ends this problem',
    isProblem: true,
    alarm: { over: 'the command for its change of role has run, or is not needed any more' },
  },
  'standby-differs': {
    severity: 'warning',
    mode: 'standby',
    when: ({ differences }) => differences && differences.length > 0,
    says: 'differs from the primary in what no restore changes, so the app might not work after a takeover',
    because: ({ differences }) => differences?.join('; '),
    remedy:
      'make it the same on both servers; the next backup compares again. For a password: SELECT rolpassword FROM pg_authid WHERE rolname = \'NAME\' on the primary, then ALTER ROLE "NAME" PASSWORD with that value on the standby',
    alarm: {
      variant: ({ differences }) => differences?.join('; ') ?? '',
      over: 'roles and settings are as on the primary',
    },
  },
} satisfies Record<string, Condition>;
