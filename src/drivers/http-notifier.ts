import type { Log } from '../ports/log.js';
import type { Announcement, Notifier } from '../ports/notifier.js';

interface NotifierOptions {
  urls: readonly string[];
  /** NODE_NAME of this node. */
  node: string;
  log: Log;
  /** Milliseconds for one delivery. */
  timeout?: number;
}

/** Announces by a POST of JSON to each URL, and in the log. A deaf URL is a line in the log, nothing else. */
export const createHttpNotifier = ({
  urls,
  node,
  log,
  timeout = 10_000,
}: NotifierOptions): Notifier => {
  const deliver = async (url: string, body: string): Promise<void> => {
    try {
      const { address, headers } = splitCredentials(url);
      const signal = AbortSignal.timeout(timeout);
      const response = await fetch(address, { method: 'POST', body, headers, signal });
      await response.body?.cancel();
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
    } catch (error) {
      log.warn({ to: nameOf(url), why: reasonOf(error) }, 'an announcement was not delivered');
    }
  };
  return {
    announce: (announcement: Announcement) => {
      const at = new Date().toISOString();
      log.info({ announcement }, `announced: ${announcement.message}`);
      for (const url of urls) void deliver(url, JSON.stringify({ node, at, ...announcement }));
    },
  };
};

/** A URL with a password in it is not taken by fetch, and would show it in errors. */
const splitCredentials = (url: string): { address: URL; headers: Record<string, string> } => {
  const address = new URL(url);
  const { username, password } = address;
  const headers: Record<string, string> = { 'Content-Type': 'application/json' };
  if (username !== '' || password !== '') {
    const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    headers.Authorization = `Basic ${Buffer.from(pair).toString('base64')}`;
    address.username = '';
    address.password = '';
  }
  return { address, headers };
};

/** The host only: with many services the path itself is the key. */
const nameOf = (url: string): string =>
  URL.canParse(url) ? new URL(url).host : 'a URL that is none';

/** fetch hides why behind "fetch failed". */
const reasonOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error as { cause?: { code?: string } };
  return cause?.code ?? error.message;
};
