import { resolve } from 'node:path';
import { ColdspareError } from '../../src/domain/errors.js';
import type { Stack } from '../../src/ports/stack.js';
import { createApp } from './app.js';
import { createDatabase } from './database.js';
import { type Layout, layoutOf } from './layout.js';
import type { EmbeddedOptions } from './options.js';

/** The longest path of a unix socket that every system takes, in bytes. */
const LONGEST_SOCKET_PATH = 103;

/**
 * PGlite in a process of its own and an app beside it: a whole stack from Node alone, for the demo and for trying
 * things out. What was committed survives SIGKILL, but not a power cut, since PGlite cannot fsync. All clients
 * share one superuser session, so neither user nor password is checked.
 * @throws ColdspareError `invalid-request` when the directory's path is too long for a unix socket in it
 */
export const createEmbeddedStack = (options: EmbeddedOptions): Stack => {
  const layout = layoutOf(resolve(options.directory));
  assertShortPath(layout);
  return {
    name: 'embedded',
    database: createDatabase(options, layout),
    app: createApp(options, layout),
  };
};

const assertShortPath = ({ controlSocket }: Layout): void => {
  const length = Buffer.byteLength(controlSocket);
  if (length <= LONGEST_SOCKET_PATH) return;
  throw new ColdspareError(
    'invalid-request',
    `${controlSocket} has ${length} bytes, and the path of a unix socket may have ${LONGEST_SOCKET_PATH}`,
    'set STATE_DIR to a shorter path',
    { value: controlSocket },
  );
};
