import { Refused } from '../../pure/errors.js';
import { readJson } from '../body.js';
import type { Route } from '../route.js';
import { promoteByWebhook } from '../webhook-promote.js';
import { PROVIDERS, readEvent } from '../webhooks/providers.js';

export const webhookRoutes: Route[] = [
  {
    method: 'POST',
    path: '/webhooks/:provider',
    doors: ['webhook'],
    handle: async (c, node) => {
      const name = c.req.param('provider') ?? '';
      const provider = PROVIDERS.find((candidate) => candidate.name === name);
      if (provider === undefined) throw unknownProvider(name);
      return promoteByWebhook(c, node, readEvent(provider, await readJson(c)));
    },
  },
];

const unknownProvider = (name: string): Refused =>
  new Refused(
    'not-found',
    `no checker is known as ${name.slice(0, 60)}`,
    `use one of ${PROVIDERS.map((provider) => `/webhooks/${provider.name}`).join(', ')}`,
    { value: name.slice(0, 60) },
  );
