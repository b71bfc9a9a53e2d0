import { notifyTestSchema } from '../../domain/answers.js';
import type { Context, Outcome } from '../context.js';
import { EXIT } from '../failure.js';

/** Sends a test message to every channel, and waits for what comes of it. */
export const notify = async ({ agent }: Context): Promise<Outcome> => {
  const { body, node } = await agent.post('/notify', notifyTestSchema, {});
  const { channels } = body;
  const lines = channels.map(
    ({ channel, error }) =>
      `${channel.padEnd(32)} ${error === null ? 'taken' : `NOT TAKEN: ${error}`}`,
  );
  const isHeard = channels.length > 0 && channels.every(({ error }) => error === null);
  return {
    value: body,
    lines:
      channels.length === 0
        ? [`NOTIFY_URLS of ${node} is empty: nobody is told of an alarm.`]
        : [
            ...lines,
            ...(isHeard
              ? []
              : ['What to do: put that entry of NOTIFY_URLS right, then restart the agent.']),
          ],
    exit: isHeard ? EXIT.done : EXIT.failed,
  };
};
