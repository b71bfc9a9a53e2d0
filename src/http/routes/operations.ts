import { z } from 'zod';
import { cancelOperation } from '../../operations/requests.js';
import { Refused } from '../../pure/errors.js';
import { parseWith } from '../body.js';
import { streamOperation } from '../operation-events.js';
import type { HttpContext, Route } from '../route.js';

const LIMIT = z.coerce.number().int().min(1).max(200).default(50);

/** The id becomes a file name in the journal, so nothing else is accepted. */
const OPERATION_ID = z.string().regex(/^[\w-]{8,120}$/, 'must be the id of an operation');

export const operationRoutes: Route[] = [
  {
    method: 'GET',
    path: '/operations',
    doors: ['admin', 'peer'],
    handle: (c, node) => {
      const limit = parseWith(LIMIT, c.req.query('limit'), 'limit');
      return c.json({ operations: node.runner.list().slice(0, limit) });
    },
  },
  {
    method: 'GET',
    path: '/operations/:id',
    doors: ['admin', 'peer'],
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
    doors: ['admin', 'peer'],
    handle: (c, node) => {
      const id = operationId(c);
      if (node.runner.get(id) === undefined) throw unknownOperation(id);
      return streamOperation(c, node, id);
    },
  },
  {
    method: 'DELETE',
    path: '/operations/:id',
    doors: ['peer', 'admin'],
    handle: async (c, node) => {
      const id = operationId(c);
      // The peer withdraws what may still be on its way; a person who names nothing we know has mistyped.
      if (c.get('door') !== 'peer' && node.runner.get(id) === undefined) throw unknownOperation(id);
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
