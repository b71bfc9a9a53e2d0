import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type ExecProtocolOptionsStream,
  PGlite,
  type PGliteOptions,
  protocol,
} from '@electric-sql/pglite';
import { ColdspareError } from '../../../src/domain/errors.js';
import { createTurns } from './turns.js';

const POLL_PAUSE = 10;

/** Node has it, and only the types of browsers tell. */
declare const WebAssembly: { compile(bytes: Uint8Array): Promise<object> };

/** Compiled once a process: PGlite itself would do it again for every database, a third of the time that opening takes. */
const pgliteWasmModule = await WebAssembly.compile(
  await readFile(new URL('pglite.wasm', import.meta.resolve('@electric-sql/pglite'))),
);

/** Options to open the cluster in a directory on the one database in it. */
export const engineOptions = (
  database: string,
  settings: Record<string, string> = {},
): PGliteOptions => ({
  database,
  pgliteWasmModule,
  startParams: [
    ...PGlite.defaultStartParams,
    // On the command line, so that no RESET or DISCARD of a client takes them back.
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ],
});

/**
 * PGlite behind pglite-socket. All clients share one backend session, and the library lets them mix. This class keeps
 * apart the messages of two clients between Parse and Sync (one client's parameters would meet the other's
 * statement), and a client's transaction and our own work.
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
      // pglite-socket answers no client after this. The process ends, so that the agent sees it.
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
      // The session has ended, and that rolled back too. pglite-socket would let this error end the process.
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

/** Messages of the extended protocol that more must follow: Parse, Bind, Describe, Execute, Close, Flush. */
const OPENING = 'PBDECH';
/** Sync and Query. */
const CLOSING = 'SQ';

/** Whether the client that sent a message of this type has more to say before another client may. */
const staysOpen = (type = 0, isOpen: boolean): boolean => {
  const letter = String.fromCharCode(type);
  return !CLOSING.includes(letter) && (isOpen || OPENING.includes(letter));
};
