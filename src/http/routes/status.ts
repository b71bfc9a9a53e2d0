import { nodeStatus } from '../../operations/status.js';
import type { Route } from '../route.js';

export const statusRoutes: Route[] = [
  {
    method: 'GET',
    path: '/status',
    doors: ['admin', 'peer'],
    handle: (c, node) => c.json(nodeStatus(node)),
  },
];
