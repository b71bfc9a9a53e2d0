import { randomUUID } from 'node:crypto';
import { isError } from '../../domain/errors.js';
import type { Executor, StartOptions } from '../run-command.js';
import { type Project, runCompose } from './project.js';

const END_TIMEOUT_MS = 10_000;
/** This variable marks the processes of one run. Our process ids mean nothing inside the container. */
const MARK = 'COLDSPARE_RUN';
const END_MARKED = `for process in /proc/[0-9]*; do
  grep -qs "${MARK}=$1" "$process/environ" && kill "\${process#/proc/}"
done; true`;

/**
 * Runs programs in the container of a service. Ending the compose client does not end the program in the container, so
 * a run that is aborted, times out or breaks is ended there too.
 */
export const containerExecutor = (project: Project, service: string): Executor => {
  const { executor, compose, engine, seen } = project;
  /** The container, or even its project, may have another name now. Compose is asked again next time. */
  const forgetIfGone = (message: string) => {
    if (!/No such container|is not running/i.test(message)) return;
    seen.containers.delete(service);
    seen.project = undefined;
  };
  const inside = (argv: readonly string[], options: StartOptions) => {
    const run = randomUUID();
    const env = { ...options.env, [MARK]: run };
    const name = seen.containers.get(service);
    const exec = name === undefined ? [...compose, 'exec', '-T'] : [...engine, 'exec', '-i'];
    return {
      run,
      // Names only. The values go by environment, so that no process list shows them.
      argv: [...exec, ...names(env), name ?? service, ...argv],
      options: { ...options, env },
    };
  };
  const end = (run: string): Promise<unknown> =>
    runCompose(project, ['exec', '-T', service, 'sh', '-c', END_MARKED, 'sh', run], {
      timeout: END_TIMEOUT_MS,
    }).catch(() => {
      // If the container does not run, there is nothing to end.
    });

  return {
    run: async (argv, options) => {
      const command = inside(argv, options);
      try {
        return await executor.run(command.argv, { ...options, ...command.options });
      } catch (error) {
        if (!endedByItself(error)) await end(command.run);
        else if (error instanceof Error) forgetIfGone(error.message);
        throw error;
      }
    },

    open: (argv, options) => {
      const command = inside(argv, options);
      const child = executor.open(command.argv, command.options);
      let isKilled = false;
      return {
        ...child,
        // Otherwise the program in the container ends by itself, at the end of its stdin.
        ended: child.ended.then(async (message) => {
          forgetIfGone(message);
          if (isKilled || options.signal?.aborted) await end(command.run);
          return message;
        }),
        kill: () => {
          isKilled = true;
          child.kill();
        },
      };
    },
  };
};

const names = (env: Record<string, string>): string[] =>
  Object.keys(env).flatMap((name) => ['-e', name]);

const endedByItself = (error: unknown): boolean =>
  isError(error, 'command-failed') || isError(error, 'ssh-command-failed');
