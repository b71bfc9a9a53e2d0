import { pauseCommandSchema } from '../../domain/commands.js';
import { pauseSchema } from '../../domain/status.js';
import { pause, unpause } from '../../operations/requests.js';
import { readCommand } from '../body.js';
import type { Route } from '../route.js';

export const pauseRoutes: Route[] = [
  {
    method: 'POST',
    path: '/pause',
    clients: ['admin'],
    about: {
      summary:
        'For some minutes, this node does not take over, give the role back or start its app again by itself',
      body: pauseCommandSchema,
      answers: { 200: pauseSchema },
    },
    handle: async (c, node) => {
      await pause(node, await readCommand(c, pauseCommandSchema));
      const { pause: set } = node.state.current;
      node.log.warn({ who: c.get('client'), ...set }, 'failover and failback are paused');
      return c.json(set);
    },
  },
  {
    method: 'DELETE',
    path: '/pause',
    clients: ['admin'],
    about: { summary: 'End the pause', answers: { 204: null } },
    handle: async (c, node) => {
      await unpause(node);
      node.log.warn({ who: c.get('client') }, 'failover and failback go on');
      return c.body(null, 204);
    },
  },
];
