import { setTimeout as sleep } from 'node:timers/promises';
import {
  type ExecProtocolOptionsStream,
  PGlite,
  type PGliteOptions,
  protocol,
} from '@electric-sql/pglite';
import { ColdspareError } from '../../domain/errors.js';
import { createTurns } from './turns.js';

const POLL_PAUSE = 10;

/** Options to open the cluster in a directory on the one database in it. */
export const engineOptions = (
  database: string,
  settings: Record<string, string> = {},
): PGliteOptions => ({
  database,
  startParams: [
    ...PGlite.defaultStartParams,
    // On the command line, so that no RESET or DISCARD of a client takes them back.
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ],
});

/**
 * PGlite behind pglite-socket. There is one backend session for all clients, so two things must be kept apart
 * that the library mixes: the messages of two clients between Parse and Sync (one client's parameters would
 * meet the other's statement), and a client's transaction and our own work.
 */
export class Engine extends PGlite {
  readonly #takeTurns = createTurns();
  /** A client has sent Parse or the like and not yet Sync. */
  #isBatchOpen = false;
  #isOurTurn = false;

  /** What pglite-socket asks before it lets the next client in, and when one has gone: also after the session's end. */
  override isInTransaction(): boolean {
    return this.ready && !this.#isOurTurn && (this.#isBatchOpen || super.isInTransaction());
  }

  /** How pglite-socket runs each message. */
  override runExclusive<T>(work: () => Promise<T>): Promise<T> {
    return this.#takeTurns(() => super.runExclusive(work));
  }

  override async execProtocolRawStream(
    message: Uint8Array,
    options: ExecProtocolOptionsStream,
  ): Promise<void> {
    if (!this.ready) throw new Error('the session has ended');
    try {
      await super.execProtocolRawStream(message, options);
    } catch (cause) {
      // pglite-socket answers nobody any more after this. Better to die, which the agent sees, than to hang.
      setImmediate(() => {
        throw cause;
      });
      throw cause;
    }
    this.#isBatchOpen = staysOpen(message[0], this.#isBatchOpen);
  }

  /** How pglite-socket rolls back for a client that has gone. */
  override async exec(...args: Parameters<PGlite['exec']>): ReturnType<PGlite['exec']> {
    if (this.#isBatchOpen) {
      // After an error PostgreSQL skips everything up to the next Sync, a ROLLBACK too.
      await super.execProtocol(protocol.serialize.sync());
      this.#isBatchOpen = false;
    }
    try {
      return await super.exec(...args);
    } catch (error) {
      // With the session ends what was to be rolled back. pglite-socket lets this failure end the process.
      if (args[0] === 'ROLLBACK' && !this.ready) return [];
      throw error;
    }
  }

  /**
   * Runs `work` while no client is inside a transaction and none gets a message through.
   * @throws ColdspareError `database-failed` when a client's transaction stays open for `patience` milliseconds
   */
  async whileIdle<T>(patience: number, work: () => Promise<T>): Promise<T> {
    const deadline = performance.now() + patience;
    while (performance.now() < deadline) {
      const outcome = await this.#takeTurns(async () => {
        if (this.isInTransaction()) return undefined;
        this.#isOurTurn = true;
        try {
          return { result: await work() };
        } finally {
          this.#isOurTurn = false;
        }
      });
      if (outcome !== undefined) return outcome.result;
      await sleep(POLL_PAUSE);
    }
    throw new ColdspareError(
      'database-failed',
      `a client has kept a transaction open for more than ${patience} ms`,
      'end that transaction, or stop the app, and try again',
    );
  }

  override close(): Promise<void> {
    return this.#takeTurns(() => super.close());
  }
}

/** Whether the client that sent a message of this type has more to say before another may. */
const staysOpen = (type: number | undefined, isOpen: boolean): boolean => {
  switch (String.fromCharCode(type ?? 0)) {
    case 'P':
    case 'B':
    case 'D':
    case 'E':
    case 'C':
    case 'H':
      return true;
    case 'S':
    case 'Q':
      return false;
    default:
      return isOpen;
  }
};
