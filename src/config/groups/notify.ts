import { z } from 'zod';
import { parseNotifyUrl } from '../../domain/notify-url.js';
import { splitList } from '../values.js';
import type { Group } from '../variable.js';

const notifyUrls = z.string().transform((list, context) =>
  splitList(list, /[\s,]+/).flatMap((entry, index) => {
    try {
      return [parseNotifyUrl(entry)];
    } catch (error) {
      const message = `entry ${index + 1} ${(error as Error).message}`;
      context.addIssue({ code: 'custom', message });
      return [];
    }
  }),
);

export const notify = {
  title: 'Telling people',
  variables: {
    NOTIFY_URLS: {
      schema: notifyUrls.prefault(''),
      about: `Where the agent announces every change of role and every alarm: URLs, separated by commas.
        It knows hooks.slack.com, discord.com and ntfy.sh by their host, and e-mail by smtp: or smtps:.
        Any other URL gets a POST of JSON.
        For a server of your own, put its kind in front: slack+https://…, discord+https://… or ntfy+https://….
        Keys and passwords in a URL never reach a log.`,
      unset: 'nobody is told',
      example:
        'https://hooks.slack.com/services/T0/B0/x,https://ntfy.sh/my-topic,smtp://user:pass@mail.example:587/?to=ops@example.com&from=db@example.com',
      secret: true,
    },
  },
} satisfies Group;
