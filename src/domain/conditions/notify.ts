import type { Condition, Known } from './condition.js';

/** Milliseconds. A service may have a bad moment. */
const PATIENCE = 60_000;

const failing = ({ channels }: Pick<Known, 'channels'>, now: number) =>
  (channels ?? []).filter(({ isFinal, since }) => isFinal || now - since >= PATIENCE);

/** The channels of NOTIFY_URLS. */
export const NOTIFY = {
  'notify-failing': {
    severity: 'warning',
    when: ({ channels, now }) => channels && failing({ channels }, now).length > 0,
    says: 'cannot tell people what happens, because a channel of NOTIFY_URLS does not take its messages',
    because: ({ channels, now = 0 }) =>
      failing({ channels }, now)
        .map(({ channel, why }) => `${channel}: ${why}`)
        .join('; '),
    remedy: {
      page: 'put the entry of NOTIFY_URLS right and restart the agent of that server; then have it send a test message, as the manual says under "Being told"',
      terminal:
        'put the entry of NOTIFY_URLS in its .env right and restart its agent; coldspare notify there sends a test message',
      http: ({ node }) =>
        `put the entry of NOTIFY_URLS right and restart the agent; POST /notify on ${node} sends a test message`,
    },
    isProblem: true,
    alarm: { over: 'its messages arrive on every channel again' },
  },
} satisfies Record<string, Condition>;
