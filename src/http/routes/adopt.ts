import { adoptCommandSchema } from '../../domain/commands.js';
import { request } from '../../operations/commands.js';
import { readCommand } from '../body.js';
import { askerOf } from '../headers.js';
import { FOLLOWED, followOperation } from '../long-operation.js';
import type { Route } from '../route.js';

/** Declares which data is the production data. */
export const adoptRoutes: Route[] = [
  {
    method: 'POST',
    path: '/adopt',
    clients: ['admin'],
    about: {
      ...FOLLOWED,
      summary: "Make this node's database the production data, under a new lineage",
      body: adoptCommandSchema,
      problems: ['yielding', 'busy', 'peer-not-ready', 'peer-unreachable', 'idempotency-conflict'],
    },
    handle: async (c, node) => {
      const command = await readCommand(c, adoptCommandSchema);
      return followOperation(c, node, await request(node, 'adopt', command, askerOf(c)));
    },
  },
];
