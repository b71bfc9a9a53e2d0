import { ColdspareError, toColdspareError } from '../../src/domain/errors.js';
import { startDetached } from '../../src/drivers/run-command.js';
import type { App } from '../../src/ports/stack.js';
import type { Layout } from './layout.js';
import type { EmbeddedOptions } from './options.js';
import { endProcesses, findProcesses } from './processes.js';

export const createApp = (options: EmbeddedOptions, { appLog, marks }: Layout): App => {
  const { appProgram, appHealthUrl, probe, timeouts } = options;
  const isRunning = async () => (await findProcesses(marks.app)).length > 0;
  return {
    start: async (signal) => {
      signal.throwIfAborted();
      if (await isRunning()) return;
      await startDetached([process.execPath, appProgram, marks.app], {
        env: appEnvironment(options),
        logFile: appLog,
      }).catch((cause: unknown) => {
        throw appFailed('the app cannot be started', cause);
      });
    },
    stop: async (signal) => {
      await endProcesses(marks.app, timeouts.stop, signal).catch((cause: unknown) => {
        signal.throwIfAborted();
        throw appFailed('the app is still up', cause);
      });
    },
    isRunning,
    check: () => probe.get(appHealthUrl, timeouts.query),
  };
};

const appEnvironment = ({ appHealthUrl, database }: EmbeddedOptions): Record<string, string> => {
  const url = new URL(`postgres://127.0.0.1:${database.port}`);
  url.username = encodeURIComponent(database.user);
  url.pathname = encodeURIComponent(database.name);
  return {
    NODE_ENV: 'production',
    PORT: new URL(appHealthUrl).port || '80',
    DATABASE_URL: url.href,
  };
};

const appFailed = (what: string, cause: unknown): ColdspareError =>
  new ColdspareError(
    'app-failed',
    `${what}: ${toColdspareError(cause).message}`,
    'read app.log in the state directory',
    { cause },
  );
