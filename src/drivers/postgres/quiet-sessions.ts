import type { Readable, Writable } from 'node:stream';
import type { PsqlSession } from './psql-session.js';
import { withRemedy } from './remedies.js';
import type { Server } from './server.js';

/** Only superusers may set it, since PostgreSQL 17. */
export const NO_EVENT_TRIGGERS = 'event_triggers=off';

/**
 * The server for sessions with databases of the app. Since 17 those may have triggers that run at each login, and that
 * may refuse it. A session with another database tells whether they can be switched off.
 */
export const withoutEventTriggers = async (
  session: PsqlSession,
  server: Server,
): Promise<Server> => {
  const { may } = await session.row<{ may: boolean }>(
    `SELECT current_setting('server_version_num')::int >= 170000 AND rolsuper AS may
     FROM pg_roles WHERE rolname = current_user`,
  );
  return may ? { ...server, settings: [...(server.settings ?? []), NO_EVENT_TRIGGERS] } : server;
};

/** Uses the server for work with a stream, which may break before anybody listens to it. */
export const withStream = async <T>(
  stream: Readable | Writable,
  server: Promise<Server>,
  use: (server: Server) => Promise<T>,
): Promise<T> => {
  stream.on('error', () => {});
  try {
    return await use(await server);
  } catch (error) {
    stream.destroy();
    throw withRemedy(error);
  }
};
