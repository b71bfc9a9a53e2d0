import type { App, Database } from '../ports/stack.js';

/** The peer's app and database, for taking them down. Never to start the app: only its own agent may (rule 8). */
export interface PeerStack {
  app: Pick<App, 'stop'>;
  database: Pick<
    Database,
    'start' | 'stop' | 'answers' | 'live' | 'mark' | 'freeze' | 'writes' | 'dump'
  >;
}

/** The machine the peer's agent runs on, for when the agent itself does not answer. */
export interface PeerMachine {
  /**
   * Connects, lets `use` act on the peer's stack, and disconnects. What `use` throws is passed on. Before `use` is
   * called nothing was run over there, and ColdspareError is thrown: `ssh-unreachable`, `ssh-timed-out`,
   * `ssh-host-key-changed` (nothing was said to a stranger), `ssh-key-refused`. Inside `use`, a command that fails
   * throws `ssh-command-failed`, `ssh-not-permitted`, `ssh-timed-out`, or `ssh-unreachable` when the connection broke.
   */
  reach<T>(signal: AbortSignal, use: (stack: PeerStack) => Promise<T>): Promise<T>;
}
