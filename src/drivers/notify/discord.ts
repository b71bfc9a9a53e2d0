import type { Channel } from './channel.js';
import { postJson } from './post-json.js';
import { typeset } from './wording.js';

const SETTING = {
  // Characters. More is refused.
  most: 2_000,
  bold: (title: string) => `**${title}**`,
  // Names such as `shop_dev_diverged` would be set in italics, and could not be copied.
  verbatim: (text: string) => text.replace(/[\\*_~`|<>#[\]]/g, '\\$&'),
};

/** A Discord webhook. */
export const createDiscordChannel = (url: string): Channel => {
  const address = new URL(url);
  // Without it Discord says yes before it has looked.
  address.searchParams.set('wait', 'true');
  return {
    name: `discord ${address.host}`,
    deliver: (message, signal) => {
      const content = typeset(message, SETTING);
      return postJson(address.href, { content, allowed_mentions: { parse: [] } }, signal);
    },
  };
};
