import { z } from 'zod';
import { dryRunSchema, ignoredSchema, promoteBegunSchema } from '../../domain/answers.js';
import {
  demoteCommandSchema,
  type PromoteCommand,
  promoteCommandSchema,
} from '../../domain/commands.js';
import { operationRecordSchema } from '../../domain/operation.js';
import { request } from '../../operations/commands.js';
import { dryRunDemote, dryRunPromote } from '../../operations/dry-run.js';
import type { Node } from '../../operations/node.js';
import { requestPlannedPromote } from '../../operations/requests.js';
import { nodeStatus } from '../../status/node-status.js';
import { readCommand } from '../body.js';
import { askerOf } from '../headers.js';
import { FOLLOWED, followOperation, followPeersOperation } from '../long-operation.js';
import type { HttpContext, Route } from '../route.js';
import { readMessage } from '../webhook-message.js';
import { promoteByWebhook } from '../webhook-promote.js';
import { reportingRefusals } from '../webhook-refusals.js';
import { recognise } from '../webhooks/providers.js';

const demoteAnswerSchema = z
  .union([operationRecordSchema, dryRunSchema])
  .meta({ id: 'DemoteAnswer' });
const promoteAnswerSchema = z
  .union([operationRecordSchema, dryRunSchema, ignoredSchema])
  .meta({ id: 'PromoteAnswer' });

/** The two commands that change who serves. */
export const roleRoutes: Route[] = [
  {
    method: 'POST',
    path: '/promote',
    clients: ['admin', 'webhook'],
    about: {
      ...FOLLOWED,
      summary: "Take over. With the webhook's key, the body is a checker's message",
      body: promoteCommandSchema,
      answers: { 200: promoteAnswerSchema, 202: promoteBegunSchema },
      problems: [
        ...(['already-primary', 'yielding', 'paused', 'busy', 'idempotency-conflict'] as const),
        ...(['not-primary', 'peer-unreachable', 'peer-refused'] as const),
      ],
    },
    handle: async (c, node) => {
      if (c.get('client') === 'webhook')
        return reportingRefusals(node, '/promote', async () =>
          promoteByWebhook(c, node, recognise(await readMessage(c, node))),
        );
      return promoteByOperator(c, node, await readCommand(c, promoteCommandSchema));
    },
  },
  {
    method: 'POST',
    path: '/demote',
    clients: ['admin'],
    about: {
      ...FOLLOWED,
      summary: 'Give the primary role to the other node, without losing a write',
      body: demoteCommandSchema,
      answers: { 200: demoteAnswerSchema, 202: operationRecordSchema },
      problems: ['not-primary', 'yielding', 'peer-not-ready', 'busy', 'idempotency-conflict'],
    },
    handle: async (c, node) => {
      const command = await readCommand(c, demoteCommandSchema);
      if (command.dryRun) return c.json(await dryRunDemote(node, command));
      return followOperation(c, node, await request(node, 'demote', command, askerOf(c)));
    },
  },
];

const promoteByOperator = async (
  c: HttpContext,
  node: Node,
  command: PromoteCommand,
): Promise<Response> => {
  if (command.dryRun) return c.json(await dryRunPromote(node, command, nodeStatus(node)));
  if (!command.planned)
    return followOperation(c, node, await request(node, 'promote', command, askerOf(c)));
  const started = await requestPlannedPromote(node, command, askerOf(c).idempotencyKey);
  return followPeersOperation(c, node, started);
};
