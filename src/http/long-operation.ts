import type { Node } from '../operations/node.js';
import { hasEnded, type OperationRecord, operationRecordSchema } from '../pure/operation.js';
import { preferredWait } from './headers.js';
import { operationProblem } from './problem.js';
import type { About, HttpContext } from './route.js';

/** What is said about every route that answers by `followOperation`. */
export const FOLLOWED = {
  headers: ['Prefer', 'Idempotency-Key'],
  answers: { 200: operationRecordSchema, 202: operationRecordSchema },
} satisfies Partial<About>;

/**
 * 202 with where to follow the operation, or with `Prefer: wait=N` how it ended within N seconds. Nobody who
 * goes away ends an operation.
 */
export const followOperation = async (
  c: HttpContext,
  node: Node,
  started: OperationRecord,
): Promise<Response> => {
  const location = { Location: `/operations/${started.id}` };
  const seconds = preferredWait(c);
  if (seconds === undefined) return c.json(started, 202, location);
  const record = (await node.runner.wait(started.id, seconds * 1_000)) ?? started;
  const headers = { ...location, 'Preference-Applied': `wait=${seconds}` };
  if (!hasEnded(record)) return c.json(record, 202, headers);
  return record.state === 'done' ? c.json(record, 200, headers) : operationProblem(record, headers);
};
