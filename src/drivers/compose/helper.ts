import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { ColdspareError, isError } from '../../domain/errors.js';
import type { CommandOptions, OpenCommand } from '../run-command.js';
import { type Container, findContainers } from './containers.js';
import type { Mount } from './override.js';
import { inspect, type Project } from './project.js';

/** Milliseconds. */
const CREATE_TIMEOUT = 60_000;
const START_TIMEOUT = 60_000;
const REMOVE_TIMEOUT = 20_000;
/** Nobody can remove a volume as long as a container has it. */
const IDLE = 2_000;

/** Says that it is there, and ends with its input: also when the agent is killed. */
const WAIT = 'printf + && exec cat >/dev/null';

export interface HelperOptions {
  project: Project;
  /** Of the database. */
  service: string;
  /** Makes the service's container, without starting it. */
  create: (signal: AbortSignal) => Promise<void>;
  /** The folder of the socket on this machine, and where containers have it; undefined for a primary that is dialed. */
  socket: Mount | undefined;
}

export interface Helper {
  /** Runs a program in it, as `user` (uid:gid). As `Executor.run`. */
  run(argv: readonly string[], options: CommandOptions, user: string): Promise<string>;
  /** Runs a short program in it, or in the service's own container when that runs. As `Executor.run`. */
  runShort(argv: readonly string[], options: CommandOptions): Promise<string>;
  /** Starts it ahead of time. */
  warm(): Promise<void>;
}

interface Running {
  name: string;
  command: OpenCommand;
}

/**
 * A container of the same image and with the same volumes as that of a service, which may be stopped. It is started when
 * it is needed, because each start of a container takes half a second or more, and ends when nobody needs it any more.
 */
export const createHelper = (options: HelperOptions): Helper => {
  const { project, service, socket } = options;
  const { executor, engine } = project;
  let running: Promise<Running> | undefined;
  let users = 0;
  let timer: NodeJS.Timeout | undefined;

  const findContainer = async (): Promise<Container> => {
    const [found] = await findContainers(project, [service]);
    if (found !== undefined) return found;
    await options.create(AbortSignal.timeout(CREATE_TIMEOUT));
    const [made] = await findContainers(project, [service]);
    if (made !== undefined) return made;
    throw new ColdspareError(
      'database-failed',
      `there is no container of the service ${service}, so its files cannot be reached`,
      `"${project.compose.join(' ')} ps --all" in ${project.directory} shows what there is`,
      { value: service },
    );
  };

  const start = async ({ id }: Container): Promise<Running> => {
    const [line = ''] = await inspect(project, '{{.Image}} {{.HostConfig.NetworkMode}}', [id]);
    const [image = '', network = ''] = line.split(' ');
    const name = `coldspare-files-${randomUUID()}`;
    const way =
      socket === undefined
        ? ['--network', network]
        : [
            ...['--network', 'none'],
            ...['--mount', `type=bind,source=${socket.directory},target=${socket.target}`],
          ];
    const command = executor.open(
      [
        ...[
          ...engine,
          'run',
          '--rm',
          '--interactive',
          '--name',
          name,
          '--volumes-from',
          id,
          ...way,
        ],
        ...['--entrypoint', 'bash', image, '-c', WAIT],
      ],
      { timeout: 0 },
    );
    const ended = command.ended.then((said) => {
      running = undefined;
      throw new ColdspareError(
        'database-failed',
        `no container could be started beside that of ${service}: ${said}`,
        `"${engine.join(' ')} ps --all" on this machine shows what there is; it is tried again by itself`,
        { value: service },
      );
    });
    // Later, it ends when it is not needed any more.
    ended.catch(() => {});
    const late = setTimeout(command.kill, START_TIMEOUT);
    await Promise.race([once(command.stdout, 'readable'), ended]).finally(() => clearTimeout(late));
    command.stdout.resume();
    return { name, command };
  };

  const remove = async (): Promise<void> => {
    const present = await running?.catch(() => undefined);
    running = undefined;
    if (present === undefined) return;
    const argv = [...engine, 'rm', '--force', present.name];
    await executor.run(argv, { timeout: REMOVE_TIMEOUT }).catch(() => {});
  };

  /** The name of the helper, which is started if need be. */
  const present = async (): Promise<string> => {
    running ??= findContainer()
      .then(start)
      .catch((error: unknown) => {
        running = undefined;
        throw error;
      });
    return (await running).name;
  };

  const exec = (container: string, argv: readonly string[], given: CommandOptions, user?: string) =>
    executor.run(
      [
        ...[...engine, 'exec', '--interactive', ...(user === undefined ? [] : ['--user', user])],
        ...Object.keys(given.env ?? {}).flatMap((variable) => ['--env', variable]),
        ...[container, ...argv],
      ],
      given,
    );

  const using = async <T>(use: () => Promise<T>): Promise<T> => {
    clearTimeout(timer);
    users += 1;
    try {
      return await use();
    } catch (error) {
      // The end of the engine's client is not the end of the program.
      if (!isError(error, 'command-failed')) await remove();
      throw error;
    } finally {
      users -= 1;
      if (users === 0) timer = setTimeout(() => end(running), IDLE).unref();
    }
  };

  return {
    run: (argv, given, user) => using(async () => exec(await present(), argv, given, user)),

    runShort: (argv, given) =>
      using(async () => {
        if (running !== undefined) return exec(await present(), argv, given);
        const { id, isRunning } = await findContainer();
        return exec(isRunning ? id : await present(), argv, given);
      }),

    warm: () => using(async () => void (await present())),
  };
};

const end = (running: Promise<Running> | undefined): void => {
  void running?.then(({ command }) => command.stdin.end()).catch(() => {});
};
