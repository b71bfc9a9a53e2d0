import type { Database } from '../ports/stack.js';

/** The peer's app and database. There is no way to start the app: only its own agent may (rule 8). */
export interface PeerStack {
  app: {
    /**
     * As `App.stop`. Whether the app still answers at PRIMARY_CHECK_URL counts only where that address has proven itself:
     * one that is wrong is always refused.
     */
    stop(signal: AbortSignal, isCheckProven: boolean): Promise<void>;
  };
  database: Pick<
    Database,
    'start' | 'stop' | 'answers' | 'live' | 'mark' | 'freeze' | 'writes' | 'dump'
  >;
}

/** The machine the peer's agent runs on, for when the agent itself does not answer. */
export interface PeerMachine {
  /**
   * Connects, makes sure that commands are run there, calls `use` with the peer's stack, and disconnects. What `use`
   * throws is passed on.
   * @throws ColdspareError before `use` is called, with nothing changed on the machine: `ssh-unreachable`,
   * `ssh-timed-out`, `ssh-host-key-changed`, `ssh-key-refused`, `ssh-not-permitted` when no command is run; inside `use`: `ssh-command-failed`, `ssh-not-permitted`,
   * `ssh-timed-out`, or `ssh-unreachable` when the connection broke
   */
  reach<T>(signal: AbortSignal, use: (stack: PeerStack) => Promise<T>): Promise<T>;
}
