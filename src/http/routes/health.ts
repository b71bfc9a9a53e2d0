import { isServing, isVouchedFor, problems } from '../../operations/status.js';
import { roleOf } from '../epoch.js';
import type { Route } from '../route.js';

/** For load balancers and uptime checkers: no key, and no look at anything but what was seen last. */
export const healthRoutes: Route[] = [
  {
    method: 'GET',
    path: '/health',
    doors: [],
    handle: (c, node) => {
      const found = problems(node);
      const body = {
        status: found.length === 0 ? 'ok' : 'failing',
        node: node.settings.nodeName,
        role: roleOf(node),
        serving: isServing(node),
        problems: found,
      };
      return c.json(body, found.length === 0 ? 200 : 503);
    },
  },
  {
    method: 'GET',
    path: '/primary',
    doors: [],
    handle: (c, node) => {
      const primary = isVouchedFor(node);
      return c.json({ primary }, primary ? 200 : 503);
    },
  },
  {
    method: 'GET',
    path: '/standby',
    doors: [],
    handle: (c, node) => {
      const standby = node.state.current.mode === 'standby';
      return c.json({ standby }, standby ? 200 : 503);
    },
  },
];
