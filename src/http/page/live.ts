import { setTimeout as sleep } from 'node:timers/promises';
import { streamSSE } from 'hono/streaming';
import type { Node } from '../../operations/node.js';
import type { HttpContext } from '../route.js';
import type { PageFacts } from './facts.js';
import { renderSections } from './sections.js';

/** Milliseconds between two looks. */
const PAUSE = 1_000;

/** Milliseconds. A comment this often keeps proxies from cutting a quiet stream, and the page from calling it lost. */
const HEARTBEAT = 10_000;

/** Each watcher costs a rendering a second. */
const MOST_WATCHERS = 16;

/** Milliseconds after which the page asks again when there was no room for it. */
const RETRY = 5_000;

/**
 * Sends the sections of the page that have changed, as server-sent events, as long as somebody watches. With too many
 * watchers a new one is told once how things are, and comes back.
 */
export const createLive = (facts: (node: Node) => PageFacts) => {
  let watchers = 0;
  return (c: HttpContext, node: Node): Response =>
    streamSSE(c, async (stream) => {
      const gone = new AbortController();
      stream.onAbort(() => gone.abort());
      const end = AbortSignal.any([gone.signal, c.env.closing]);
      const isOneTooMany = watchers >= MOST_WATCHERS;
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
