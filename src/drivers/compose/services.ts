import { ColdspareError, toColdspareError } from '../../domain/errors.js';
import { formatDuration } from '../../domain/format.js';
import type { CommandOptions } from '../run-command.js';
import { type Container, findContainers } from './containers.js';
import { isAboutNetworks, repairNetworks } from './networks.js';
import { haveNoProcess, isEngineGone } from './processes.js';
import { type Project, runCompose } from './project.js';

export interface ServicesOptions {
  project: Project;
  names: readonly string[];
  /** Writes the agent's override file. Resolves to the environment in which compose reads it. */
  override: () => Promise<Record<string, string>>;
  /** Milliseconds. */
  timeouts: { start: number; stop: number };
  /** The code of their errors. */
  code: 'app-failed' | 'database-failed';
}

/** Services of a compose project that are started and stopped together. Every method is safe to repeat. */
export const createServices = ({ project, names, override, timeouts, code }: ServicesOptions) => {
  const explained = async <T>(work: Promise<T>, signal?: AbortSignal): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      signal?.throwIfAborted();
      const { message, remedy } = toColdspareError(error);
      throw new ColdspareError(code, message, remedy, { cause: error, value: names });
    }
  };

  const find = (): Promise<Container[]> => explained(findContainers(project, names));

  /** Without an engine, none if no process of theirs lives. */
  const findRunning = async (): Promise<Container[]> => {
    try {
      return (await findContainers(project, names)).filter(({ isRunning }) => isRunning);
    } catch (error) {
      const ids = names.flatMap((name) => project.seen.ids.get(name) ?? []);
      if (isEngineGone(error) && (await haveNoProcess(ids))) return [];
      throw error;
    }
  };
  const running = async () =>
    new Set((await explained(findRunning())).map(({ service }) => service));

  /** For when compose cannot: its file cannot be read, or there is no engine. @throws `why` when that is of no help */
  const stopWithoutCompose = async (why: unknown, options: CommandOptions): Promise<void> => {
    options.signal?.throwIfAborted();
    const containers = await findRunning().catch(() => {
      throw why;
    });
    if (containers.length === 0) return;
    const ids = containers.map(({ id }) => id);
    await project.executor.run([...project.engine, 'stop', ...ids], options);
  };

  /** Names of services of which a container is gone or is not as `is` says. */
  const lacking = (containers: readonly Container[], is: (container: Container) => boolean) =>
    names.filter((name) => {
      const own = containers.filter(({ service }) => service === name);
      return !own.every(is) || own.length < (project.seen.replicas.get(name) ?? 1);
    });

  return {
    /** Their containers, running or not. */
    containers: find,

    /** Whether any of them runs, healthy or not. */
    isRunning: async (): Promise<boolean> => (await running()).size > 0,

    /**
     * Services of which a container does not run: `down` those of which none does, `thin` the others. While others run,
     * a container that exited with 0 has done its work and is not missing.
     */
    missing: async (): Promise<{ down: string[]; thin: string[] }> => {
      const containers = await find();
      const isAnyRunning = containers.some(({ isRunning }) => isRunning);
      const runs = new Set(containers.filter((each) => each.isRunning).map((each) => each.service));
      const missing = lacking(
        containers,
        ({ isRunning, endedWell }) => isRunning || (isAnyRunning && endedWell),
      );
      return {
        down: missing.filter((name) => !runs.has(name)),
        thin: missing.filter((name) => runs.has(name)),
      };
    },

    /** Whether each container of each of them runs or has exited with 0. */
    areWhole: async (): Promise<boolean> =>
      lacking(await find(), ({ isRunning, endedWell }) => isRunning || endedWell).length === 0,

    /** Runs `compose up` for all of them, or for `some`, with each of `ways` in turn. Never builds an image. */
    up: async (
      ways: readonly (readonly string[])[],
      signal: AbortSignal,
      some: readonly string[] = names,
    ): Promise<void> => {
      const options = { timeout: timeouts.start, signal };
      const start = async () => {
        const env = await override();
        for (const way of ways) {
          await runCompose(project, ['up', '--no-build', ...way, ...some], { ...options, env });
        }
      };
      const repairAndStart = async (error: unknown) => {
        if (signal.aborted || !isAboutNetworks(error)) throw error;
        await repairNetworks(project);
        await start();
      };
      await explained(start().catch(repairAndStart), signal);
    },

    stop: async (signal: AbortSignal): Promise<void> => {
      const options = { timeout: timeouts.stop, signal };
      const stopped = runCompose(project, ['stop', ...names], options).catch((error: unknown) =>
        stopWithoutCompose(error, options),
      );
      await explained(stopped, signal);
      const left = await running();
      if (left.size === 0) return;
      throw new ColdspareError(
        code,
        `${[...left].join(', ')} still runs after it was stopped (within ${formatDuration(timeouts.stop)})`,
        'see who starts it again: "docker ps" and "docker events" on this machine',
        { value: [...left] },
      );
    },
  };
};
