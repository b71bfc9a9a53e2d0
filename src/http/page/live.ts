import { setTimeout as sleep } from 'node:timers/promises';
import { streamSSE } from 'hono/streaming';
import type { Node } from '../../operations/node.js';
import type { HttpContext } from '../route.js';
import type { PageFacts } from './facts.js';
import { renderSections } from './sections.js';

/** Milliseconds between two renderings. */
const PAUSE = 1_000;

/** Milliseconds between comments, which keep proxies from cutting a quiet stream and the page from calling it lost. */
const HEARTBEAT = 10_000;

/** Each watcher costs a rendering a second. */
const WATCHER_LIMIT = 16;

/** Milliseconds after which the browser connects again. */
const RETRY = 5_000;

/**
 * Sends the sections of the page that have changed, as server-sent events, until the watcher goes away. With too many
 * watchers, a new one gets the sections once and has to connect again.
 */
export const createLive = (facts: (node: Node) => PageFacts) => {
  let watchers = 0;
  return (c: HttpContext, node: Node): Response =>
    streamSSE(c, async (stream) => {
      const gone = new AbortController();
      stream.onAbort(() => gone.abort());
      const end = AbortSignal.any([gone.signal, c.env.closing]);
      const isOneTooMany = watchers >= WATCHER_LIMIT;
      const shown = new Map<string, string>();
      let quietSince = node.clock.elapsed();
      watchers += 1;
      try {
        await stream.write(`retry: ${RETRY}\n\n`);
        while (!end.aborted) {
          for (const section of await renderSections(facts(node))) {
            if (shown.get(section.id) === section.html) continue;
            shown.set(section.id, section.html);
            await stream.writeSSE({ event: 'section', data: JSON.stringify(section) });
            quietSince = node.clock.elapsed();
          }
          if (isOneTooMany) return;
          if (node.clock.elapsed() - quietSince >= HEARTBEAT) {
            await stream.write(': still here\n\n');
            quietSince = node.clock.elapsed();
          }
          await sleep(PAUSE, undefined, { signal: end }).catch(() => {});
        }
      } finally {
        watchers -= 1;
      }
    });
};
