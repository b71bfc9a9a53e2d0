import { Refused } from '../../domain/errors.js';
import { REPLICATION_UPGRADE } from '../../domain/protocol.js';
import type { Node } from '../../operations/node.js';
import { assertFollowable } from '../../replication/stream/followable.js';
import { invalid } from '../body.js';
import type { Route } from '../route.js';

/** How the other node's PostgreSQL reaches the one here. */
export const replicationRoutes: Route[] = [
  {
    method: 'GET',
    path: REPLICATION_UPGRADE.path,
    clients: ['peer'],
    refusesStaleEpoch: true,
    joinsPeer: true,
    about: {
      summary: `A connection to the primary's PostgreSQL, for replication (Upgrade: ${REPLICATION_UPGRADE.protocol})`,
      answers: { 101: null },
      problems: [
        ...(['not-primary', 'superseded', 'yielding', 'not-the-peer', 'busy'] as const),
        'database-unreachable',
      ],
    },
    handle: async (c, node) => {
      const { upgrade } = c.env;
      if (upgrade === undefined)
        throw invalid(
          'this is for replication, and for no other request',
          `send "Connection: Upgrade" and "Upgrade: ${REPLICATION_UPGRADE.protocol}", as the other agent does`,
          c.req.header('Upgrade')?.slice(0, 40),
        );
      const { tunnels, openReplication } = streaming(node);
      assertFollowable(node);
      return upgrade.accept(await tunnels.open(openReplication, upgrade.signal));
    },
  },
];

const streaming = ({ tunnels, stack: { openReplication }, settings }: Node) => {
  if (tunnels !== undefined && openReplication !== undefined) return { tunnels, openReplication };
  throw new Refused(
    'invalid-request',
    `${settings.nodeName} carries no replication: it has REPLICATION=dump, or REPLICATION_ADDRESS`,
    'set REPLICATION and REPLICATION_ADDRESS alike on both nodes',
  );
};
