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
  /** What a person should know about it. */
  notes: string[];
  onBytes: OnBytes;
}

/** A request for a restore. */
interface Wanted {
  backup: Manifest;
  open(onBytes: OnBytes): Promise<Readable>;
  signal: AbortSignal;
  onBytes: OnBytes;
  gently: boolean;
  incomplete?: boolean;
}

/**
 * The one restore into the incoming database. It outlives a preempted operation: a promote that preempts a preparation
 * continues its restore instead of starting over.
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
   * Resolves once the incoming database holds `backup`, to what a person should know about the restore. Joins a restore that an earlier operation left running, or
   * starts a new one. @throws what `Database.restore` throws
   */
  async restore(wanted: Wanted): Promise<readonly string[]> {
    const running = this.#running;
    const isSame = running?.backup === wanted.backup.id && !wanted.incomplete;
    if (running && isSame && (await this.#isJoined(running, wanted))) return running.notes;
    await this.abandon();
    const job = this.#begin(wanted);
    this.#running = job;
    await this.#wait(job, wanted.signal);
    return job.notes;
  }

  /** Ends a running restore, and forgets a finished one. Safe to repeat. */
  async abandon(): Promise<void> {
    const job = this.#running;
    job?.stop.abort();
    await job?.done.catch(() => {});
    this.#running = undefined;
  }

  /** False when the restore that was left running has failed: then a new one is needed. */
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

  #begin({ backup, open, onBytes, gently, incomplete = false }: Wanted): Running {
    const stop = new AbortController();
    const notes: string[] = [];
    const job: Running = { backup: backup.id, stop, onBytes, notes, done: Promise.resolve() };
    const note = (text: string) => void notes.push(text);
    const content = open((done) => job.onBytes(done));
    job.done = content.then((dump) =>
      this.#database.restore(dump, backup, stop.signal, { gently, incomplete, note }),
    );
    // Avoids an unhandled rejection when nobody waits any more.
    job.done.catch(() => {});
    return job;
  }
}

/** Waits for `work` until the signal is aborted. The work itself goes on. */
export const unlessAborted = <T>(work: Promise<T>, signal: AbortSignal): Promise<T> =>
  new Promise((resolve, reject) => {
    const leave = () => reject(signal.reason);
    signal.addEventListener('abort', leave, { once: true });
    // Attached before `aborted` is checked, so that a failure of abandoned work is handled.
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
    if (signal.aborted) leave();
  });
