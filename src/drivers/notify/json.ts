import type { Channel } from './channel.js';
import { postJson } from './post-json.js';

/** For programs: the announcement as it is. */
export const createJsonChannel = (url: string): Channel => ({
  name: `json ${new URL(url).host}`,
  deliver: (message, signal) => postJson(url, message, signal),
});
