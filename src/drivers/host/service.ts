import { once } from 'node:events';
import { ColdspareError, toColdspareError } from '../../domain/errors.js';
import { formatDuration } from '../../domain/format.js';
import { pollUntil } from '../poll.js';
import { remedyOf } from '../postgres/remedies.js';
import { type Executor, splitCommand } from '../run-command.js';

/** How many times its time-out a slow start command may take before it is killed. */
const SLOW_STARTS = 10;

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
  /** Its start command may take longer than its time-out. It is then left to end, and waited for again by the next start. */
  isSlow?: true;
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
  isSlow,
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
      throw new ColdspareError(code, message, remedyOf(message) ?? remedy, {
        cause: error,
        value: argv[0],
      });
    }
  };

  /** A start command that has not ended yet. */
  let starting: { ended: Promise<void>; kill: AbortController } | undefined;
  const begin = () => {
    const kill = new AbortController();
    const ended = run(start, timeouts.start * SLOW_STARTS, kill.signal).finally(() => {
      starting = undefined;
    });
    // Nobody may be waiting for it when it fails.
    ended.catch(() => {});
    return { ended, kill };
  };

  const startSlowly = async (signal: AbortSignal): Promise<void> => {
    signal.throwIfAborted();
    starting ??= begin();
    const giveUp = AbortSignal.any([signal, AbortSignal.timeout(timeouts.start)]);
    await Promise.race([starting.ended, once(giveUp, 'abort')]);
    signal.throwIfAborted();
    if (!giveUp.aborted) return;
    throw new ColdspareError(
      code,
      `${start[0]} has not ended within ${formatDuration(timeouts.start)}; it is left to go on, and asked for again later`,
      'if it has that much to do, such as the first start of a database, wait for it or set DB_START_TIMEOUT higher',
      { value: start[0] },
    );
  };

  return {
    start: async (signal: AbortSignal): Promise<void> => {
      if (await isRunning()) return;
      await (isSlow ? startSlowly(signal) : run(start, timeouts.start, signal));
    },

    stop: async (signal: AbortSignal): Promise<void> => {
      const began = performance.now();
      starting?.kill.abort();
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
