import type { AgentClient } from './agent-client.js';
import type { ExitStatus } from './failure.js';
import type { Screen } from './screen.js';

/** The input of every command. */
export interface Context {
  agent: AgentClient;
  /** The other agent, from PEER_URL. */
  peer: AgentClient | undefined;
  screen: Screen;
  /** Print one JSON document at the end, and nothing before it. */
  json: boolean;
}

/** The result of a command. */
export interface Outcome {
  /** For programs. */
  value: unknown;
  /** For people. */
  lines: string[];
  /** Default: 0. */
  exit?: ExitStatus;
}
