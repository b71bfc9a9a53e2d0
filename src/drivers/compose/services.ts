import { ColdspareError, toColdspareError } from '../../domain/errors.js';
import { formatDuration } from '../../domain/format.js';
import { type Container, findContainers } from './containers.js';
import { isAboutNetworks, repairNetworks } from './networks.js';
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

  const servicesWhere = async (is: (container: Container) => boolean): Promise<Set<string>> => {
    const containers = await explained(findContainers(project, names));
    return new Set(containers.filter(is).map(({ service }) => service));
  };
  const running = () => servicesWhere(({ isRunning }) => isRunning);

  return {
    /** Whether any of them runs, healthy or not. */
    isRunning: async (): Promise<boolean> => (await running()).size > 0,

    /** Services that do not run. While others do, one that exited with 0 has done its work and is not missing. */
    missing: async (): Promise<string[]> => {
      const containers = await explained(findContainers(project, names));
      const isAnyRunning = containers.some(({ isRunning }) => isRunning);
      const present = containers
        .filter(({ isRunning, endedWell }) => isRunning || (isAnyRunning && endedWell))
        .map(({ service }) => service);
      return names.filter((name) => !present.includes(name));
    },

    /** Whether each of them runs or has exited with 0. */
    areWhole: async (): Promise<boolean> =>
      (await servicesWhere(({ isRunning, endedWell }) => isRunning || endedWell)).size ===
      names.length,

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
      await explained(runCompose(project, ['stop', ...names], options), signal);
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
