import { fenceAnswerSchema } from '../../domain/answers.js';
import {
  demoteCommandSchema,
  fenceCommandSchema,
  takeOverCommandSchema,
} from '../../domain/commands.js';
import { request } from '../../operations/commands.js';
import { requestFence, requestTakeOver } from '../../operations/requests.js';
import { readCommand } from '../body.js';
import { askerOf } from '../headers.js';
import { FOLLOWED, followOperation } from '../long-operation.js';
import type { Route } from '../route.js';

const handoverCommandSchema = demoteCommandSchema.pick({ reason: true });

/** What one agent asks of the other while a role changes hands. */
export const peerRoutes: Route[] = [
  {
    method: 'POST',
    path: '/fence',
    clients: ['peer'],
    refusesStaleEpoch: true,
    about: {
      summary: 'Stop serving, because the caller takes over',
      body: fenceCommandSchema,
      answers: { 200: fenceAnswerSchema },
      problems: ['busy', 'stale-epoch', 'app-failed'],
    },
    handle: async (c, node) =>
      c.json(await requestFence(node, await readCommand(c, fenceCommandSchema))),
  },
  {
    method: 'POST',
    path: '/takeovers',
    clients: ['peer'],
    refusesStaleEpoch: true,
    about: {
      ...FOLLOWED,
      headers: ['Prefer'],
      summary: 'Take over from the backup that the caller has just pushed',
      body: takeOverCommandSchema,
      problems: ['already-primary', 'busy'],
    },
    handle: async (c, node) => {
      const command = await readCommand(c, takeOverCommandSchema);
      return followOperation(c, node, await requestTakeOver(node, command));
    },
  },
  {
    method: 'POST',
    path: '/handovers',
    clients: ['peer'],
    about: {
      ...FOLLOWED,
      summary: 'Hand over to the caller',
      body: handoverCommandSchema,
      problems: ['not-primary', 'yielding', 'busy', 'idempotency-conflict'],
    },
    handle: async (c, node) => {
      const { reason } = await readCommand(c, handoverCommandSchema);
      const started = await request(node, 'demote', { reason, dryRun: false }, askerOf(c));
      return followOperation(c, node, started);
    },
  },
];
