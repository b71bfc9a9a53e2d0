import type { ChannelKind, NotifyUrl } from '../../domain/notify-url.js';
import type { Clock } from '../../ports/clock.js';
import type { Log } from '../../ports/log.js';
import type { Notifier } from '../../ports/notifier.js';
import type { Channel } from './channel.js';
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
  const deliveries = urls.map(({ kind, url }) =>
    createDelivery(CHANNELS[kind](url), { clock, log }, { ...PATIENCE, ...patience }),
  );
  return {
    announce: (announcement) => {
      log.info({ announcement }, `announced: ${announcement.message}`);
      const message = { node, at: new Date(clock.now()).toISOString(), ...announcement };
      for (const deliver of deliveries) deliver(message);
    },
  };
};
