import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';

/** One write and what became of it. Times are Unix milliseconds. */
export interface Write {
  text: string;
  /** 0 when the connection ended without an answer. */
  status: number;
  /** The port of the app that answered; undefined when the load balancer itself did. */
  by: number | undefined;
  began: number;
  ended: number;
}

export interface Writers {
  /** In the order in which they ended. */
  readonly writes: readonly Write[];
  stop(): Promise<void>;
}

/** Milliseconds between two writes, so that they do not take all of the machine's time. */
const PAUSE = 5;

/**
 * Clients that write one thing after the other over connections that they keep, POST and PUT by turns. Each text
 * is sent once: one that is found twice was repeated by somebody else.
 */
export const startWriters = (url: string, count: number): Writers => {
  const agent = new Agent({ keepAlive: true });
  const writes: Write[] = [];
  let isOver = false;
  const client = async (_: unknown, writer: number) => {
    for (let number = 1; !isOver; number += 1) {
      const method = number % 2 === 0 ? 'POST' : 'PUT';
      const text = `${method} ${writer}.${number}`;
      const began = Date.now();
      const answer = await send(url, agent, method, text);
      writes.push({ text, ...answer, began, ended: Date.now() });
      await pause(PAUSE);
    }
  };
  const working = Promise.all(Array.from({ length: count }, client));
  return {
    writes,
    stop: async () => {
      isOver = true;
      await working;
      agent.destroy();
    },
  };
};

const send = async (
  url: string,
  agent: Agent,
  method: string,
  text: string,
): Promise<Pick<Write, 'status' | 'by'>> => {
  try {
    const sent = request(url, { agent, method }).end(JSON.stringify({ text }));
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    await response.resume().toArray();
    const by = response.headers['ledger-port'];
    return { status: response.statusCode ?? 0, by: by === undefined ? undefined : Number(by) };
  } catch {
    return { status: 0, by: undefined };
  }
};
