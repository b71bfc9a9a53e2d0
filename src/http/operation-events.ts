import { setTimeout as sleep } from 'node:timers/promises';
import { streamSSE } from 'hono/streaming';
import type { Node } from '../operations/node.js';
import type { HttpContext } from './route.js';

/** Milliseconds between comments, which keep proxies from cutting a quiet stream. */
const HEARTBEAT = 15_000;

/** Milliseconds between events: a restore makes progress thousands of times a second. */
const PAUSE = 100;

/** The operation at every change, as server-sent events, until it has ended or the caller goes away. */
export const streamOperation = (c: HttpContext, node: Node, id: string): Response =>
  streamSSE(c, async (stream) => {
    const gone = new AbortController();
    stream.onAbort(() => gone.abort());
    const heartbeat = setInterval(() => stream.write(': still here\n\n'), HEARTBEAT);
    try {
      let number = 0;
      for await (const record of node.runner.watch(id, gone.signal)) {
        number += 1;
        const data = JSON.stringify(record);
        await stream.writeSSE({ event: 'operation', id: String(number), data });
        await sleep(PAUSE, undefined, { signal: gone.signal });
      }
    } catch (error) {
      if (!gone.signal.aborted) throw error;
    } finally {
      clearInterval(heartbeat);
      gone.abort();
    }
  });
