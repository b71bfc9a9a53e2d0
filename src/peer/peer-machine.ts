import type { App, Database } from '../ports/stack.js';

/** The peer's app and database. There is no way to start the app: only its own agent may (rule 8). */
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
   * Connects, calls `use` with the peer's stack, and disconnects. What `use` throws is passed on.
   * @throws ColdspareError before `use` is called, with nothing run on the machine: `ssh-unreachable`, `ssh-timed-out`,
   * `ssh-host-key-changed`, `ssh-key-refused`; inside `use`: `ssh-command-failed`, `ssh-not-permitted`,
   * `ssh-timed-out`, or `ssh-unreachable` when the connection broke
   */
  reach<T>(signal: AbortSignal, use: (stack: PeerStack) => Promise<T>): Promise<T>;
}
