import { setTimeout as sleep } from 'node:timers/promises';
import { hasEnded, type OperationRecord } from '../domain/operation.js';
import type { AgentClient } from './agent-client.js';
import { EXIT, Failure } from './failure.js';

/** Milliseconds without an answer after which it is given up: an agent that is restarted is back by then. */
const GIVE_UP_AFTER = 60_000;
const RETRY_PAUSE = 1_000;

/**
 * The operation as it comes, until it has ended. When the connection drops, or something between lets no events
 * through, it is asked again. @throws Failure `unreachable` after a minute without an answer
 */
export async function* follow(agent: AgentClient, id: string): AsyncGenerator<OperationRecord> {
  let heard = performance.now();
  for (;;) {
    try {
      const { body } = await agent.operation(id);
      heard = performance.now();
      yield body;
      if (hasEnded(body)) return;
      for await (const record of agent.events(id)) {
        heard = performance.now();
        yield record;
        if (hasEnded(record)) return;
      }
    } catch (error) {
      const isSilent = performance.now() - heard > GIVE_UP_AFTER;
      if (isSilent || !isConnectionLost(error)) throw error;
    }
    await sleep(RETRY_PAUSE);
  }
}

/** A stream that breaks off throws what its connection threw. */
const isConnectionLost = (error: unknown): boolean =>
  !(error instanceof Failure) || error.exit === EXIT.unreachable;
