import { z } from 'zod';
import { path } from '../values.js';
import type { Group } from '../variable.js';

/** A name or an IPv4 address, or an IPv6 address in brackets. */
const hostAndPort = /^(\[[0-9a-fA-F:.]+\]|[\w.-]+):(\d{1,5})$/;

export const replication = {
  title: 'Replication',
  variables: {
    REPLICATION: {
      schema: z.enum(['dump', 'stream']).prefault('dump'),
      about: `How the standby gets the primary's data. Set it alike on both nodes.
        dump: by backups. Its database is stopped, and a lost machine costs what was written since the last one.
        stream: by PostgreSQL's streaming replication, so that it costs about a second. Backups go on beside it.
        The standby's database is replaced by a copy of the primary's.`,
    },
    REPLICATION_SOCKET_DIR: {
      schema: path.optional(),
      about: `With REPLICATION=stream: where PostgreSQL here finds the other node's, over the agents' own port.
        Whoever may enter this directory reaches the other database. The agent makes it for its own user.
        Choose no directory below /run: it is gone after a reboot. With ./scripts/deploy, add it to "writable".
        With STACK=host, if PostgreSQL runs as another user, make it beforehand: install -d -m 700 -o postgres DIRECTORY`,
      unset: 'STATE_DIR/replication',
      example: '/var/lib/coldspare-replication',
    },
    REPLICATION_ADDRESS: {
      schema: z
        .string()
        .regex(hostAndPort, 'must be a host and a port, such as 10.0.0.2:5432')
        .transform((text) => {
          const [, host = '', port = ''] = hostAndPort.exec(text) ?? [];
          return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) };
        })
        .optional(),
      about: `Where this node reaches the other node's PostgreSQL directly, instead of through the agents.
        pg_hba.conf over there has to let in the role coldspare_replication, for replication, from this node.`,
      example: '10.0.0.3:5432',
    },
  },
} satisfies Group;
