import type { ChannelKind, NotifyUrl } from '../../domain/notify-url.js';
import { printableData } from '../../domain/printable.js';
import type { Clock } from '../../ports/clock.js';
import type { Log } from '../../ports/log.js';
import type { Announcement, Notifier } from '../../ports/notifier.js';
import type { Channel, Message } from './channel.js';
import { createDelivery, type Patience } from './delivery.js';
import { createDiscordChannel } from './discord.js';
import { createJsonChannel } from './json.js';
import { createMailChannel } from './mail.js';
import { createNtfyChannel } from './ntfy.js';
import { createSlackChannel } from './slack.js';

interface NotifierOptions {
  urls: readonly NotifyUrl[];
  /** NODE_NAME of this node. */
  node: string;
  log: Log;
  clock: Clock;
  patience?: Partial<Patience>;
}

const CHANNELS: Record<ChannelKind, (url: string) => Channel> = {
  json: createJsonChannel,
  slack: createSlackChannel,
  discord: createDiscordChannel,
  ntfy: createNtfyChannel,
  mail: createMailChannel,
};

const PATIENCE: Patience = {
  timeout: 10_000,
  firstPause: 1_000,
  longestPause: 60_000,
  giveUpAfter: 3_600_000,
  most: 100,
};

/** Announces in the log and on every channel. What comes of it never reaches the operation that had something to say. */
export const createNotifier = ({ urls, node, log, clock, patience }: NotifierOptions): Notifier => {
  const channels = urls.map(({ kind, url }) => CHANNELS[kind](url));
  const deliveries = channels.map((channel) =>
    createDelivery(channel, { clock, log }, { ...PATIENCE, ...patience }),
  );
  const toMessage = (announcement: Announcement): Message => ({
    node,
    at: new Date(clock.now()).toISOString(),
    ...printableData(announcement),
  });
  return {
    announce: (announcement) => {
      log.info({ announcement }, `announced: ${announcement.message}`);
      const message = toMessage(announcement);
      for (const { add } of deliveries) add(message);
    },
    failing: () => {
      const outcomes = deliveries.map(({ failure }) => failure());
      const failures = outcomes.filter((outcome) => outcome != null);
      return failures.length === 0 && outcomes.includes(undefined) ? undefined : failures;
    },
    test: () => {
      const message = toMessage({
        event: 'test',
        severity: 'info',
        message: `${node} can be heard here: somebody asked for this test message, and nothing has happened`,
      });
      return Promise.all(
        deliveries.map(async ({ test }, index) => ({
          channel: channels[index]?.name ?? '',
          error: await test(message),
        })),
      );
    },
  };
};
