import { z } from 'zod';
import { duration, text } from '../values.js';
import type { Group } from '../variable.js';

export const policies = {
  title: 'Policies',
  variables: {
    RESCUE_TIMEOUT: {
      schema: duration('0').prefault('2m'),
      about: `How long a takeover waits while no more data of the old primary's last dump arrives.
        As long as data arrives, it goes on waiting, however large the dump is.
        When no data has arrived for this long, the takeover uses the newest backup.
        If a backup showed no progress for longer than this, the node has the problem rescue-too-short.
        0: a takeover takes no last dump.`,
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
      about: `How long a primary asks the other agent after a restart before ALONE decides. 0: it asks once.
        A standby whose agent has just been started waits as long for a primary that has not answered yet.
        An agent whose app has served on goes on at once if it was away for less than CHECK_INTERVAL times FAIL_THRESHOLD.`,
    },
    ON_PRIMARY_COMMAND: {
      schema: text.optional(),
      about: `What this node runs once when it has become the primary, before its app starts, such as emptying a queue
        that still has the jobs of long ago. It has a minute. If it fails, the app starts all the same, and you are told.`,
      unset: 'nothing is run',
      example: 'docker compose exec -T queue redis-cli FLUSHALL',
    },
    ON_STANDBY_COMMAND: {
      schema: text.optional(),
      about: `What this node runs when it has lost the primary role and its app is stopped. It is tried until it works.
        Both commands are split as a shell does and run without one, in COMPOSE_PROJECT_DIR or the agent's directory,
        with COLDSPARE_ROLE and COLDSPARE_EPOCH set.`,
      unset: 'nothing is run',
      example: 'docker compose exec -T queue redis-cli FLUSHALL',
    },
    WATCHDOG_TIMEOUT: {
      schema: duration('0').prefault('0'),
      about: `How long the app may outlive an agent that is dead or hangs. After that a watchdog process stops it.
        0: there is no watchdog. wrangler-free-readme.md says what it protects against and what it costs.`,
    },
  },
} satisfies Group;
