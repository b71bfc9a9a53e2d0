import { freshStatus } from '../../operations/status.js';
import type { Route } from '../route.js';

export const statusRoutes: Route[] = [
  {
    method: 'GET',
    path: '/status',
    doors: ['admin', 'peer'],
    handle: async (c, node) => c.json(await freshStatus(node)),
  },
];
