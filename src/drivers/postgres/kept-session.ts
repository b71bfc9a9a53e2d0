import { isError } from '../../domain/errors.js';
import { openSession, type PsqlSession, type SessionOptions } from './psql-session.js';
import type { Server } from './server.js';

/** Milliseconds until an unused session is closed. The next step of the same operation comes sooner. */
const IDLE_MS = 500;
/** Milliseconds for which a session is reused. */
const LIFETIME_MS = 60_000;

/**
 * Sessions with one database for short queries. The last one is kept for a moment, because in a container opening one
 * takes longer than the query.
 */
export interface KeptSession {
  /** As `withSession`. */
  use<T>(options: SessionOptions, use: (session: PsqlSession) => Promise<T>): Promise<T>;
  /** Whether a kept session exists and the server answers in it. */
  answers(timeout: number): Promise<boolean>;
  /** Whether the server accepts a new session, and answers in it. */
  accepts(timeout: number): Promise<boolean>;
  /** The database that it connects to, as far as is known. */
  readonly database: string;
  close(): Promise<void>;
}

interface Kept {
  session: PsqlSession;
  /** When its psql is ended, as `performance.now`. */
  until: number;
}

/** Connects to `fallback` when the server works, but has no database of the first name: somebody dropped it. */
export const keepSession = (server: Server, first: string, fallback: string): KeptSession => {
  let database = first;
  let kept: Kept | undefined;
  let idle: NodeJS.Timeout | undefined;

  /** Whoever takes the session is its only user. */
  const take = (): Kept | undefined => {
    clearTimeout(idle);
    const taken = kept;
    kept = undefined;
    return taken;
  };

  const keep = async (mine: Kept): Promise<void> => {
    if (kept !== undefined) return mine.session.close();
    kept = mine;
    idle = setTimeout(() => void close(), IDLE_MS);
  };

  const close = async (): Promise<void> => take()?.session.close();

  /** Limits the statements of `mine`, or of a new session, to the time-out. @throws when the server does not answer */
  const begin = async (options: SessionOptions, mine = open(options.timeout)): Promise<Kept> => {
    try {
      await within(mine.session, options, () => mine.session.limit(options.timeout));
      return mine;
    } catch (error) {
      await mine.session.close();
      if (database === fallback || !isMissing(error, database)) throw error;
      database = fallback;
      return begin(options);
    }
  };

  const open = (timeout: number): Kept => {
    const lifetime = LIFETIME_MS + timeout;
    const session = openSession(server, database, { timeout: lifetime });
    return { session, until: performance.now() + lifetime };
  };

  /** Undefined when no usable session is kept. Nothing was asked in it, so a new one will do. */
  const reuse = async (options: SessionOptions): Promise<Kept | undefined> => {
    const mine = take();
    if (mine === undefined) return undefined;
    if (performance.now() + options.timeout <= mine.until)
      return begin(options, mine).catch(() => undefined);
    await mine.session.close();
    return undefined;
  };

  return {
    use: async (options, use) => {
      options.signal?.throwIfAborted();
      const mine = (await reuse(options)) ?? (await begin(options));
      try {
        const result = await within(mine.session, options, () => use(mine.session));
        await keep(mine);
        return result;
      } catch (error) {
        // This also rolls back an open transaction.
        await mine.session.close();
        throw error;
      }
    },
    answers: async (timeout) => {
      const mine = await reuse({ timeout });
      if (mine !== undefined) await keep(mine);
      return mine !== undefined;
    },
    accepts: async (timeout) => {
      try {
        const { session } = await begin({ timeout });
        await session.close();
        return true;
      } catch {
        return false;
      }
    },
    get database() {
      return database;
    },
    close,
  };
};

const isMissing = (error: unknown, database: string): boolean =>
  isError(error, 'database-failed') &&
  error.message.includes(`database "${database}" does not exist`);

/** Closes the session, which makes the work fail, when the time is up or the signal is aborted. */
const within = async <T>(
  session: PsqlSession,
  { timeout, signal }: SessionOptions,
  work: () => Promise<T>,
): Promise<T> => {
  const end = () => void session.close();
  const timer = setTimeout(end, timeout);
  signal?.addEventListener('abort', end, { once: true });
  try {
    signal?.throwIfAborted();
    return await work();
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', end);
  }
};
