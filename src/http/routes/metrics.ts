import type { Route } from '../route.js';

export const metricsRoutes: Route[] = [
  {
    method: 'GET',
    path: '/metrics',
    clients: [],
    about: {
      summary: 'For Prometheus',
      answers: { 200: 'text/plain' },
    },
    handle: async (c) => {
      const { registry, text } = c.get('metrics');
      return c.body(await text(), 200, { 'Content-Type': registry.contentType });
    },
  },
];
