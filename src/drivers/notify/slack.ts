import type { Channel } from './channel.js';
import { postJson } from './post-json.js';
import { typeset } from './wording.js';

const SETTING = {
  // Characters. Slack takes ten times as many, but asks for this, and hides the rest.
  most: 4_000,
  bold: (title: string) => `*${title}*`,
  // Slack has these three for its own: `<!channel>` in somebody's reason would wake everybody.
  verbatim: (text: string) =>
    text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;'),
};

/** A Slack incoming webhook, or what speaks like one (Mattermost, Rocket.Chat). */
export const createSlackChannel = (url: string): Channel => ({
  name: `slack ${new URL(url).host}`,
  deliver: (message, signal) =>
    postJson(url, { text: typeset(message, SETTING), unfurl_links: false }, signal),
});
