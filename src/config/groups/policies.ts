import { z } from 'zod';
import { duration } from '../values.js';
import type { Group } from '../variable.js';

export const policies = {
  title: 'Policies',
  variables: {
    RESCUE_TIMEOUT: {
      schema: duration('0').prefault('2m'),
      about: `How long an unplanned promote waits for a last dump of the old primary.
        After that it goes on with the newest backup. Set it well above what POST /backups takes.
        0: it takes no last dump.`,
    },
    FAILBACK: {
      schema: z.enum(['auto', 'manual']).prefault('auto'),
      about: `How the node that began as the primary gets the role back after an unplanned promote.
        auto: by itself, once it has been ready for FAILBACK_STABLE and can restore its backups.
        manual: when you ask for it.
        The app is down while a last dump is taken, sent and restored. With manual you choose the hour.`,
    },
    FAILBACK_STABLE: {
      schema: duration('0').prefault('1m'),
      about: `How long that node has to be ready before FAILBACK=auto gives the role back. 0: at once.
        Each further failover within a day doubles this time, up to an hour.`,
    },
    ALONE: {
      schema: z.enum(['serve', 'wait']).prefault('serve'),
      about: `What a primary does after a restart when the other agent does not answer for ALONE_GRACE.
        serve: it serves. wait: it does not serve until the other agent answers.`,
    },
    ALONE_GRACE: {
      schema: duration('0').prefault('30s'),
      about:
        'How long a primary asks the other agent after a restart before ALONE decides. 0: it asks once.',
    },
    WATCHDOG_TIMEOUT: {
      schema: duration('0').prefault('0'),
      about: `How long the app may outlive an agent that is dead or hangs. After that a watchdog process stops it.
        0: there is no watchdog. wrangler-free-readme.md says what it protects against and what it costs.`,
    },
  },
} satisfies Group;
