import { pauseSchema } from '../../domain/status.js';
import type { Context, Outcome } from '../context.js';
import { formatUntil } from '../format.js';

export const pause = async (
  { agent }: Context,
  minutes: number | undefined,
  { reason = '', end = false }: { reason?: string; end?: boolean },
): Promise<Outcome> => {
  if (end) {
    await agent.delete('/pause');
    return {
      value: null,
      lines: ['The pause is over: failover and failback go on by themselves.'],
    };
  }
  const command = { ...(minutes !== undefined && { minutes }), reason };
  const { body, node } = await agent.post('/pause', pauseSchema, command);
  return {
    value: body,
    lines: [
      `No failover or failback by ${node} itself ${formatUntil(body.until, Date.now())}.`,
      'To end it before: coldspare pause --end',
    ],
  };
};
