import { drillCommandSchema } from '../../domain/commands.js';
import { request } from '../../operations/commands.js';
import { readCommand } from '../body.js';
import { askerOf } from '../headers.js';
import { FOLLOWED, followOperation } from '../long-operation.js';
import type { Route } from '../route.js';

/** Tests a takeover by doing most of it. */
export const drillRoutes: Route[] = [
  {
    method: 'POST',
    path: '/drill',
    clients: ['admin'],
    about: {
      ...FOLLOWED,
      summary:
        'Restore the newest backup on trial, beside everything else, and say how a takeover would go',
      body: drillCommandSchema,
      problems: [
        'no-backup',
        'yielding',
        'superseded',
        'busy',
        'no-room',
        'backup-unusable',
        'not-restorable',
        'drill-failed',
        'idempotency-conflict',
      ],
    },
    handle: async (c, node) => {
      const command = await readCommand(c, drillCommandSchema);
      return followOperation(c, node, await request(node, 'drill', command, askerOf(c)));
    },
  },
];
