import { nodeStatusSchema } from '../../domain/status.js';
import { freshStatus } from '../../status/node-status.js';
import type { Route } from '../route.js';

export const statusRoutes: Route[] = [
  {
    method: 'GET',
    path: '/status',
    clients: ['admin', 'peer'],
    about: { summary: 'Everything about this node', answers: { 200: nodeStatusSchema } },
    handle: async (c, node) => c.json(await freshStatus(node)),
  },
];
