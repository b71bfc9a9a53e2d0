import { randomUUID } from 'node:crypto';
import { isError } from '../../domain/errors.js';
import type { Executor, StartOptions } from '../command.js';
import { type Project, runCompose } from './project.js';

const END_TIMEOUT_MS = 10_000;
/** Marks what was started in the container, which knows nothing of our process ids. */
const MARK = 'COLDSPARE_RUN';
const END_MARKED = `for process in /proc/[0-9]*; do
  grep -qs "${MARK}=$1" "$process/environ" && kill "\${process#/proc/}"
done; true`;

/**
 * Programs in the container of a service. Ending a compose client does not end what it started in there, so whatever
 * is called off, times out or breaks is ended in there as well.
 */
export const containerExecutor = (project: Project, service: string): Executor => {
  const { executor, compose, engine, seen } = project;
  /** Another name from now on, maybe in a project of another name: compose knows them. */
  const forget = (words: string) => {
    if (!/No such container|is not running/i.test(words)) return;
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
      // By name alone: the values go by environment, and show in no process list.
      argv: [...exec, ...names(env), name ?? service, ...argv],
      options: { ...options, env },
    };
  };
  const end = (run: string): Promise<unknown> =>
    runCompose(project, ['exec', '-T', service, 'sh', '-c', END_MARKED, 'sh', run], {
      timeout: END_TIMEOUT_MS,
    }).catch(() => {
      // A container that does not run has nothing left to end.
    });

  return {
    run: async (argv, options) => {
      const command = inside(argv, options);
      try {
        return await executor.run(command.argv, { ...options, ...command.options });
      } catch (error) {
        if (!endedByItself(error)) await end(command.run);
        else if (error instanceof Error) forget(error.message);
        throw error;
      }
    },

    open: (argv, options) => {
      const command = inside(argv, options);
      const child = executor.open(command.argv, command.options);
      let isKilled = false;
      return {
        ...child,
        // After a good end, and when its time is up, it finds the end of its stdin.
        ended: child.ended.then(async (words) => {
          forget(words);
          if (isKilled || options.signal?.aborted) await end(command.run);
          return words;
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
