import type { Announcement } from '../../ports/notifier.js';
import type { Channel } from './channel.js';
import { postJson } from './post-json.js';
import { titleOf, typeset } from './wording.js';

const SETTING = {
  // Bytes. ntfy makes an attachment of what is longer, or refuses it.
  most: 4_096,
  lengthOf: (text: string) => Buffer.byteLength(text),
  // It has a field of its own.
  bold: () => '',
  verbatim: (text: string) => text,
};

/** Of ntfy's 1 to 5. From 4 on a phone makes itself heard. */
const PRIORITIES: Record<Announcement['severity'], number> = { info: 3, warning: 4, critical: 5 };

/** Those that ntfy shows as a picture. */
const TAGS: Record<Announcement['severity'], string> = {
  info: 'information_source',
  warning: 'warning',
  critical: 'rotating_light',
};

/** A topic of ntfy. Published as JSON to the server's root: in headers, a title would have to be ASCII. */
export const createNtfyChannel = (url: string): Channel => {
  const server = new URL(url);
  const topic = server.pathname.slice(1);
  server.pathname = '/';
  return {
    name: `ntfy ${server.host}`,
    deliver: (message, signal) => {
      const { severity, event } = message;
      const note = {
        topic,
        title: titleOf(message),
        message: typeset(message, SETTING),
        priority: PRIORITIES[severity],
        tags: [TAGS[severity], event],
      };
      return postJson(server.href, note, signal);
    },
  };
};
