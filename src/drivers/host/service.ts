import { ColdspareError, toColdspareError } from '../../domain/errors.js';
import { formatDuration } from '../../domain/format.js';
import { pollUntil } from '../poll.js';
import { type Executor, splitCommand } from '../run-command.js';

/** Command lines for any service manager. */
export interface ServiceCommands {
  start: string;
  stop: string;
}

export interface ServiceOptions {
  executor: Executor;
  commands: ServiceCommands;
  /** Milliseconds. */
  timeouts: { start: number; stop: number };
  /** File for the output of the commands, and of the service that they leave running. */
  log?: string;
  isRunning: () => Promise<boolean>;
  /** The code of its errors; and where the service listens, for their text. */
  code: 'app-failed' | 'database-failed';
  address: string;
}

/** A service behind two commands. They need not be safe to repeat: `pg_ctl stop` fails when nothing runs. */
export const createService = ({
  executor,
  isRunning,
  timeouts,
  code,
  log,
  ...options
}: ServiceOptions) => {
  const start = splitCommand(options.commands.start);
  const stop = splitCommand(options.commands.stop);

  const run = async (argv: readonly string[], timeout: number, signal: AbortSignal) => {
    try {
      await executor.run(argv, { timeout, signal, ...(log !== undefined && { log }) });
    } catch (error) {
      signal.throwIfAborted();
      const { message, remedy } = toColdspareError(error);
      throw new ColdspareError(code, message, remedy, { cause: error, value: argv[0] });
    }
  };

  return {
    start: async (signal: AbortSignal): Promise<void> => {
      if (!(await isRunning())) await run(start, timeouts.start, signal);
    },

    stop: async (signal: AbortSignal): Promise<void> => {
      const began = performance.now();
      try {
        await run(stop, timeouts.stop, signal);
      } catch (error) {
        if (signal.aborted || (await isRunning())) throw error;
      }
      await pollUntil(async () => !(await isRunning()), {
        timeout: timeouts.stop - (performance.now() - began),
        signal,
        late: () =>
          new ColdspareError(
            code,
            `something still listens at ${options.address} ${formatDuration(timeouts.stop)} after ${stop[0]} was run to stop it`,
            'check that the stop command stops all of it, and that nobody else starts it',
            { value: options.address },
          ),
      });
    },
  };
};
