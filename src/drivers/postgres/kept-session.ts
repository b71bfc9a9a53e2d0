import { openSession, type PsqlSession, type SessionOptions } from './psql-session.js';
import type { Server } from './tools.js';

/** Until the next step of the same operation comes; short enough to be in nobody's way. */
const IDLE_MS = 500;
/** How long one is used again and again. */
const LIFETIME_MS = 60_000;

/**
 * Sessions with one database for short questions. The last one is kept for a moment: in a container, opening one takes
 * longer than whatever is asked in it.
 */
export interface KeptSession {
  /** As `withSession`. */
  use<T>(options: SessionOptions, use: (session: PsqlSession) => Promise<T>): Promise<T>;
  /** Whether there is one from a moment ago in which the server answers. */
  answers(timeout: number): Promise<boolean>;
  close(): Promise<void>;
}

interface Kept {
  session: PsqlSession;
  /** When its program's time is up, as `performance.now`. */
  until: number;
}

export const keepSession = (server: Server, database: string): KeptSession => {
  let kept: Kept | undefined;
  let idle: NodeJS.Timeout | undefined;

  /** Who takes it has it alone. */
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

  /** One that takes statements of that length from now on; without `mine` a new one. @throws when it does not come about */
  const begin = async (options: SessionOptions, mine = open(options.timeout)): Promise<Kept> => {
    try {
      await within(mine.session, options, () => mine.session.limit(options.timeout));
      return mine;
    } catch (error) {
      await mine.session.close();
      throw error;
    }
  };

  const open = (timeout: number): Kept => {
    const lifetime = LIFETIME_MS + timeout;
    const session = openSession(server, database, { timeout: lifetime });
    return { session, until: performance.now() + lifetime };
  };

  /** Undefined when there is none any more: nothing was asked in it, so another one will do. */
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
        // With it ends a transaction that was not committed.
        await mine.session.close();
        throw error;
      }
    },
    answers: async (timeout) => {
      const mine = await reuse({ timeout });
      if (mine !== undefined) await keep(mine);
      return mine !== undefined;
    },
    close,
  };
};

/** Ends the session, and with it the work, when its time is up or it is called off. */
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
