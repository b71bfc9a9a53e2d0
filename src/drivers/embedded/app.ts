import { ColdspareError, toColdspareError } from '../../domain/errors.js';
import type { App } from '../../ports/stack.js';
import { startDetached } from '../command.js';
import type { Layout } from './layout.js';
import { endProcesses, findProcesses } from './processes.js';
import type { EmbeddedOptions } from './stack.js';

export const createApp = (options: EmbeddedOptions, layout: Layout): App => {
  const { appProgram, appHealthUrl, probe, timeouts } = options;
  const mark = `--coldspare-app=${layout.directory}`;
  const isRunning = async () => (await findProcesses(mark)).length > 0;
  return {
    start: async (signal) => {
      signal.throwIfAborted();
      if (await isRunning()) return;
      await startDetached([process.execPath, appProgram, mark], {
        env: appEnvironment(options),
        logFile: layout.appLog,
      }).catch((cause: unknown) => {
        throw appFailed(`the app cannot be started: ${toColdspareError(cause).message}`, cause);
      });
    },
    stop: async (signal) => {
      await endProcesses(mark, timeouts.stop, signal).catch((cause: unknown) => {
        signal.throwIfAborted();
        throw appFailed(`the app is still up: ${toColdspareError(cause).message}`, cause);
      });
    },
    isRunning,
    check: () => probe.get(appHealthUrl, timeouts.query),
  };
};

const appEnvironment = ({ appHealthUrl, database }: EmbeddedOptions): Record<string, string> => {
  const health = new URL(appHealthUrl);
  const url = new URL(`postgres://127.0.0.1:${database.port}`);
  url.username = encodeURIComponent(database.user);
  url.password = encodeURIComponent(database.password ?? '');
  url.pathname = encodeURIComponent(database.name);
  return {
    NODE_ENV: 'production',
    PORT: health.port || '80',
    DATABASE_URL: url.href,
  };
};

const appFailed = (message: string, cause: unknown): ColdspareError =>
  new ColdspareError('app-failed', message, 'read app.log in the state directory', { cause });
