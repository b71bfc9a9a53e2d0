import { setTimeout as sleep } from 'node:timers/promises';
import { hasEnded, type OperationRecord } from '../domain/operation.js';
import type { AgentClient } from './agent-client.js';
import { EXIT, Failure } from './failure.js';

/** Milliseconds without an answer. A restarted agent is back by then. */
const GIVE_UP_AFTER = 60_000;
const RETRY_PAUSE = 1_000;

/**
 * The operation at every change, until it has ended. Asks again when the connection drops or a proxy blocks the event
 * stream. @throws Failure `unreachable` after a minute without an answer
 */
export async function* follow(agent: AgentClient, id: string): AsyncGenerator<OperationRecord> {
  let answeredAt = performance.now();
  for (;;) {
    try {
      const { body } = await agent.operation(id);
      answeredAt = performance.now();
      yield body;
      if (hasEnded(body)) return;
      for await (const record of agent.events(id)) {
        answeredAt = performance.now();
        yield record;
        if (hasEnded(record)) return;
      }
    } catch (error) {
      const isSilent = performance.now() - answeredAt > GIVE_UP_AFTER;
      if (isSilent || !isConnectionLost(error)) throw error;
    }
    await sleep(RETRY_PAUSE);
  }
}

/** An interrupted stream throws its connection's error, which is no Failure. */
const isConnectionLost = (error: unknown): boolean =>
  !(error instanceof Failure) || error.exit === EXIT.unreachable;
