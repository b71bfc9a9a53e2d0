import { resolve } from 'node:path';
import { ColdspareError } from '../../domain/errors.js';
import type { Probe } from '../../ports/probe.js';
import type { Stack } from '../../ports/stack.js';
import { createApp } from './app.js';
import { createDatabase } from './database.js';
import { type Layout, layoutOf } from './layout.js';

/** What a unix socket's path may measure on every system, in bytes. */
const LONGEST_SOCKET_PATH = 103;

export interface EmbeddedOptions {
  /** Belongs to this stack alone; databases, logs and the control socket live here. */
  directory: string;
  database: { port: number; user: string; name: string; password?: string };
  appHealthUrl: string;
  /** JavaScript file that serves on `PORT` from `DATABASE_URL`. */
  appProgram: string;
  probe: Probe;
  timeouts: EmbeddedTimeouts;
}

/** Milliseconds. */
interface EmbeddedTimeouts {
  /** Until the database answers a query, its first initialisation included. */
  start: number;
  /** Between SIGTERM and SIGKILL. */
  stop: number;
  /** One check whether the database or the app answers. */
  query: number;
  /** A dump, a restore or a swap. */
  transfer: number;
}

/**
 * PGlite in a process of its own and an app beside it: a whole stack from Node alone, for trying things out and
 * for tests. What was committed survives SIGKILL, but not a power cut, since PGlite cannot fsync. All clients
 * share one superuser session, so neither user nor password is checked.
 * @throws ColdspareError `invalid-request` when the directory's path is too long for a unix socket in it
 */
export const createEmbeddedStack = (options: EmbeddedOptions): Stack => {
  const layout = layoutOf(resolve(options.directory));
  refuseLongPath(layout);
  return {
    name: 'embedded',
    database: createDatabase(options, layout),
    app: createApp(options, layout),
  };
};

const refuseLongPath = ({ controlSocket }: Layout): void => {
  const length = Buffer.byteLength(controlSocket);
  if (length <= LONGEST_SOCKET_PATH) return;
  throw new ColdspareError(
    'invalid-request',
    `${controlSocket} has ${length} bytes, and a unix socket's path at most ${LONGEST_SOCKET_PATH}`,
    'set STATE_DIR to a shorter path',
    { value: controlSocket },
  );
};
