import { z } from 'zod';
import { ignoredSchema, promoteBegunSchema } from '../../domain/answers.js';
import { Refused } from '../../domain/errors.js';
import type { Node } from '../../operations/node.js';
import type { About, HttpContext, Route } from '../route.js';
import { readMessage } from '../webhook-message.js';
import { promoteByWebhook } from '../webhook-promote.js';
import { reportingRefusals } from '../webhook-refusals.js';
import { PROVIDERS, readEvent } from '../webhooks/providers.js';

const path = '/webhooks/:provider';

const receive = (c: HttpContext, node: Node): Promise<Response> => {
  const name = c.req.param('provider') ?? '';
  const provider = PROVIDERS.find((candidate) => candidate.name === name);
  return reportingRefusals(node, `/webhooks/${provider?.name ?? '…'}`, async () => {
    if (provider === undefined) throw unknownProvider(name);
    return promoteByWebhook(c, node, readEvent(provider, await readMessage(c, node)));
  });
};

const about: About = {
  summary: 'What an uptime checker says: a confirmed "down" starts a promote',
  params: { provider: z.enum(PROVIDERS.map(({ name }) => name)) },
  headers: ['Idempotency-Key', 'webhook-id'],
  answers: { 200: ignoredSchema, 202: promoteBegunSchema },
  problems: ['yielding', 'busy', 'idempotency-conflict', 'not-found'],
};

const MESSAGE = z.unknown().describe("The checker's own message, as JSON or as a form");

export const webhookRoutes: Route[] = [
  {
    method: 'POST',
    path,
    clients: ['webhook'],
    about: { ...about, body: MESSAGE },
    handle: receive,
  },
  {
    method: 'GET',
    path,
    clients: ['webhook'],
    about: { ...about, summary: 'The same in a query, as some checkers say it' },
    handle: async (c, node) => {
      // Hono routes a HEAD to the GET handler. It must not start anything.
      if (c.req.method === 'HEAD') throw noHead();
      return receive(c, node);
    },
  },
];

const noHead = (): Refused =>
  new Refused('method-not-allowed', 'a checker does not say HEAD', 'use POST or GET', {
    value: 'HEAD',
  });

const unknownProvider = (name: string): Refused =>
  new Refused(
    'not-found',
    `no checker is known as ${name.slice(0, 60)}`,
    `use one of ${PROVIDERS.map((provider) => `/webhooks/${provider.name}`).join(', ')}`,
    { value: name.slice(0, 60) },
  );
