import type { Readable } from 'node:stream';
import { incomingName } from '../../domain/database-names.js';
import { isError } from '../../domain/errors.js';
import type { Manifest } from '../../domain/manifest.js';
import type { Database } from '../../ports/stack.js';

type OnBytes = (done: number) => void;

interface Running {
  backup: string;
  stop: AbortController;
  done: Promise<void>;
  onBytes: OnBytes;
}

/** What a restore is asked for with. */
interface Wanted {
  backup: Manifest;
  open(onBytes: OnBytes): Promise<Readable>;
  signal: AbortSignal;
  onBytes: OnBytes;
  gently: boolean;
}

/**
 * The one restore beside the live database. It outlives an operation that is preempted, so that a promote that
 * arrives in the middle of a preparation goes on with it instead of starting over.
 */
export class RestoreJob {
  readonly #database: Database;
  readonly #incoming: string;
  #running: Running | undefined;

  constructor(database: Database, databaseName: string) {
    this.#database = database;
    this.#incoming = incomingName(databaseName);
  }

  /**
   * Resolves once the incoming database is `backup`, by a restore that an earlier operation left running or by a
   * new one. @throws what `Database.restore` throws
   */
  async restore(wanted: Wanted): Promise<void> {
    if (this.#running?.backup === wanted.backup.id && (await this.#isJoined(this.#running, wanted)))
      return;
    await this.abandon();
    this.#running = this.#begin(wanted);
    await this.#wait(this.#running, wanted.signal);
  }

  /** Ends a restore that is under way, and forgets one that is done. Safe to repeat. */
  async abandon(): Promise<void> {
    const job = this.#running;
    job?.stop.abort();
    await job?.done.catch(() => {});
    this.#running = undefined;
  }

  /** False when what was left running came to nothing: then only a new restore will do. */
  async #isJoined(job: Running, { signal, onBytes }: Wanted): Promise<boolean> {
    job.onBytes = onBytes;
    try {
      await this.#wait(job, signal);
    } catch {
      signal.throwIfAborted();
      return false;
    }
    return (await this.#database.others()).includes(this.#incoming);
  }

  async #wait(job: Running, signal: AbortSignal): Promise<void> {
    try {
      await unlessAborted(job.done, signal);
    } catch (error) {
      if (!isError(error, 'preempted')) await this.abandon();
      throw error;
    }
  }

  #begin({ backup, open, onBytes, gently }: Wanted): Running {
    const stop = new AbortController();
    const job: Running = { backup: backup.id, stop, onBytes, done: Promise.resolve() };
    const content = open((done) => job.onBytes(done));
    job.done = content.then((dump) =>
      this.#database.restore(dump, backup, stop.signal, { gently }),
    );
    // Who waits for it hears of a failure; when nobody does any more, nobody minds.
    job.done.catch(() => {});
    return job;
  }
}

/** The work goes on when the signal is aborted; only the waiting ends. */
export const unlessAborted = <T>(work: Promise<T>, signal: AbortSignal): Promise<T> =>
  new Promise((resolve, reject) => {
    const leave = () => reject(signal.reason);
    signal.addEventListener('abort', leave, { once: true });
    // First of all: nobody else hears of it when work that was called off before it began fails.
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
    if (signal.aborted) leave();
  });
