import { notifyTestSchema } from '../../domain/answers.js';
import type { Route } from '../route.js';

/** Whether people would hear of an alarm. */
export const notifyRoutes: Route[] = [
  {
    method: 'POST',
    path: '/notify',
    clients: ['admin'],
    about: {
      summary: 'Send a test message to every channel of NOTIFY_URLS, and say what came of each',
      answers: { 200: notifyTestSchema },
    },
    handle: async (c, node) => c.json({ channels: (await node.notifier.test?.()) ?? [] }),
  },
];
