import { z } from 'zod';
import { operationListSchema } from '../../domain/answers.js';
import { Refused } from '../../domain/errors.js';
import { operationRecordSchema } from '../../domain/operation.js';
import { cancelOperation } from '../../operations/requests.js';
import { parseWith } from '../body.js';
import { streamOperation } from '../operation-events.js';
import type { HttpContext, Route } from '../route.js';

const listQuerySchema = z.object({ limit: z.coerce.number().int().min(1).max(200).default(50) });

/** The id becomes a file name in the journal, so nothing else is accepted. */
const OPERATION_ID = z.string().regex(/^[\w-]{8,120}$/, 'must be the id of an operation');

const params = { id: OPERATION_ID };

export const operationRoutes: Route[] = [
  {
    method: 'GET',
    path: '/operations',
    clients: ['admin', 'peer'],
    about: {
      summary: 'The history, newest first',
      query: listQuerySchema,
      answers: { 200: operationListSchema },
    },
    handle: (c, node) => {
      const { limit } = parseWith(listQuerySchema, c.req.query(), 'the query');
      return c.json({ operations: node.runner.list().slice(0, limit) });
    },
  },
  {
    method: 'GET',
    path: '/operations/:id',
    clients: ['admin', 'peer'],
    about: {
      summary: 'One operation with its steps',
      params,
      answers: { 200: operationRecordSchema },
      problems: ['operation-not-found'],
    },
    handle: (c, node) => {
      const id = operationId(c);
      const record = node.runner.get(id);
      if (record === undefined) throw unknownOperation(id);
      return c.json(record);
    },
  },
  {
    method: 'GET',
    path: '/operations/:id/events',
    clients: ['admin', 'peer'],
    about: {
      summary: 'The operation at every change until it has ended, as events named "operation"',
      params,
      answers: { 200: 'text/event-stream' },
      problems: ['operation-not-found'],
    },
    handle: (c, node) => {
      const id = operationId(c);
      if (node.runner.get(id) === undefined) throw unknownOperation(id);
      return streamOperation(c, node, id);
    },
  },
  {
    method: 'DELETE',
    path: '/operations/:id',
    clients: ['peer', 'admin'],
    about: {
      summary: 'End an operation, unless it has committed',
      params,
      answers: { 200: operationRecordSchema },
      problems: ['operation-not-found'],
    },
    handle: async (c, node) => {
      const id = operationId(c);
      // The peer may cancel a request that has not arrived yet. A person with an unknown id has mistyped it.
      if (c.get('client') !== 'peer' && node.runner.get(id) === undefined)
        throw unknownOperation(id);
      return c.json(await cancelOperation(node, id));
    },
  },
];

const operationId = (c: HttpContext): string => parseWith(OPERATION_ID, c.req.param('id'), 'id');

const unknownOperation = (id: string): Refused =>
  new Refused(
    'operation-not-found',
    `there is no operation ${id} on this node`,
    'GET /operations lists those there are; the other node has its own',
    { value: id },
  );
