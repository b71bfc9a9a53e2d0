import { hasEnded, type OperationRecord, operationRecordSchema } from '../domain/operation.js';
import type { Node } from '../operations/node.js';
import { waitForPeerOperation } from '../operations/requests.js';
import { preferredWait } from './headers.js';
import { operationProblem } from './problem.js';
import type { About, HttpContext } from './route.js';

/** What the OpenAPI document says about every route that answers with `followOperation`. */
export const FOLLOWED = {
  headers: ['Prefer', 'Idempotency-Key'],
  answers: { 200: operationRecordSchema, 202: operationRecordSchema },
} satisfies Partial<About>;

/**
 * Answers 202 with the operation's Location; with `Prefer: wait=N`, how it ended within N seconds. An operation goes on
 * when its caller goes away.
 */
export const followOperation = (
  c: HttpContext,
  { runner }: Node,
  started: OperationRecord,
): Promise<Response> =>
  follow(c, started, `/operations/${started.id}`, (ms) => runner.wait(started.id, ms));

/** The same for an operation that runs on the other node. */
export const followPeersOperation = (
  c: HttpContext,
  node: Node,
  started: OperationRecord,
): Promise<Response> => {
  const location = new URL(`/operations/${started.id}`, node.settings.peerUrl).href;
  return follow(c, started, location, (ms) => waitForPeerOperation(node, started.id, ms));
};

const follow = async (
  c: HttpContext,
  started: OperationRecord,
  url: string,
  wait: (ms: number) => Promise<OperationRecord | undefined>,
): Promise<Response> => {
  const location = { Location: url };
  const seconds = preferredWait(c);
  if (seconds === undefined) return c.json(started, 202, location);
  const record = (await wait(seconds * 1_000)) ?? started;
  const headers = { ...location, 'Preference-Applied': `wait=${seconds}` };
  if (!hasEnded(record)) return c.json(record, 202, headers);
  return record.state === 'done' ? c.json(record, 200, headers) : operationProblem(record, headers);
};
