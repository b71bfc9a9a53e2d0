import { operationListSchema } from '../../domain/answers.js';
import type { Context, Outcome } from '../context.js';
import { formatOperation } from '../format.js';
import { watch } from '../run-operation.js';

/** Lists the last operations, or follows one to its end. */
export const history = async (
  context: Context,
  id: string | undefined,
  { limit }: { limit: number },
): Promise<Outcome> => {
  const { agent } = context;
  if (id !== undefined) return watch(context, agent, (await agent.operation(id)).body);
  const { body, node } = await agent.get(`/operations?limit=${limit}`, operationListSchema);
  const lines = body.operations.map(formatOperation);
  return {
    value: body,
    lines: lines.length === 0 ? [`Nothing has happened on ${node} yet.`] : lines,
  };
};
