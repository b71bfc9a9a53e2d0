import type { AgentClient } from './agent-client.js';
import type { ExitStatus } from './failure.js';
import type { Screen } from './screen.js';

/** What a command works with. */
export interface Context {
  agent: AgentClient;
  /** The other agent, as PEER_URL says. */
  peer: AgentClient | undefined;
  screen: Screen;
  /** One JSON document at the end, and nothing before it. */
  json: boolean;
}

/** What a command has come to. */
export interface Outcome {
  /** For programs. */
  value: unknown;
  /** For people. */
  lines: string[];
  /** 0 unless it says otherwise. */
  exit?: ExitStatus;
}
