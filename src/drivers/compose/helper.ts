import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { ColdspareError, isError } from '../../domain/errors.js';
import { parseJsonAs } from '../../domain/parse-json.js';
import { firstByte } from '../first-byte.js';
import type { CommandOptions, OpenCommand } from '../run-command.js';
import { type Container, findContainers } from './containers.js';
import type { Mount } from './override.js';
import { askEngine, inspect, type Project } from './project.js';

/** Milliseconds. */
const CREATE_TIMEOUT = 60_000;
const START_TIMEOUT = 60_000;
const REMOVE_TIMEOUT = 20_000;
const OWNER_TIMEOUT = 60_000;
/** Nobody can remove a volume as long as a container has it. */
const IDLE = 2_000;
/** For what is about to come, such as the stop of an app and its database in a handover. */
const WARM = 30_000;

export const HELPER_PREFIX = 'coldspare-files-';
/** Whose files it works on. */
const LABEL = 'coldspare.files-of';

const READY = '+';
/** Says that it is there, and ends with its input: also when the agent is killed. */
const WAIT = `printf '${READY}' && exec cat >/dev/null`;

const mountsSchema = z.array(
  z.object({
    Type: z.string(),
    Name: z.string().default(''),
    Source: z.string().default(''),
    Destination: z.string(),
    RW: z.boolean().default(true),
  }),
);
export type ContainerMount = z.infer<typeof mountsSchema>[number];

/** What a container has of volumes and of folders of this machine. */
export const mountsOf = async (project: Project, id: string): Promise<ContainerMount[]> => {
  const [line = ''] = await inspect(project, '{{json .Mounts}}', [id]);
  return (parseJsonAs(mountsSchema, line) ?? []).filter(({ Type }) => /^(volume|bind)$/.test(Type));
};

/** An image id that every engine takes as the name of an image. */
export const imageId = (id: string): string => (/^[0-9a-f]{64}$/.test(id) ? `sha256:${id}` : id);

export interface HelperOptions {
  project: Project;
  /** Of the database. */
  service: string;
  /** Makes the service's container, without starting it. */
  create: (signal: AbortSignal) => Promise<void>;
  /** The folder of the socket on this machine, and where containers have it; undefined for a primary that is dialed. */
  socket: Mount | undefined;
  /** Tells the data directory, as the container sees it. */
  find: () => Promise<{ directory: string }>;
}

export interface Helper {
  /** Runs a program in it, as the owner of the data directory. As `Executor.run`. */
  run(argv: readonly string[], options: CommandOptions): Promise<string>;
  /** Runs a short program in it, or in the service's own container when that runs. As `Executor.run`. */
  runShort(argv: readonly string[], options: CommandOptions): Promise<string>;
  /** Starts it ahead of time. */
  warm(): Promise<void>;
}

interface Running {
  name: string;
  command: OpenCommand;
  /** Who the data directory belongs to, as uid:gid. Asked once: a new container may have other users. */
  owner?: Promise<string>;
}

/**
 * A container of the same image and with the same volumes as that of a service, which may be stopped. It is started when
 * it is needed, because each start of a container takes half a second or more, and ends when nobody needs it any more.
 */
export const createHelper = (options: HelperOptions): Helper => {
  const { project, service, create, socket, find } = options;
  const { executor, engine } = project;
  const label = `${LABEL}=${project.directory} ${service}`;
  let running: Promise<Running> | undefined;
  let users = 0;
  let timer: NodeJS.Timeout | undefined;
  let isSwept = false;

  const findContainer = async (): Promise<Container> => {
    const [found] = await findContainers(project, [service]);
    if (found !== undefined) return found;
    await create(AbortSignal.timeout(CREATE_TIMEOUT));
    const [made] = await findContainers(project, [service]);
    if (made !== undefined) return made;
    throw new ColdspareError(
      'database-failed',
      `there is no container of the service ${service}, so its files cannot be reached`,
      `"${project.compose.join(' ')} ps --all" in ${project.directory} shows what there is`,
      { value: service },
    );
  };

  const remove = async (...names: string[]): Promise<void> => {
    if (names.length === 0) return;
    // Podman gives a container ten seconds to end before it is removed.
    for (const verb of [['kill'], ['rm', '--force']])
      await executor
        .run([...engine, ...verb, ...names], { timeout: REMOVE_TIMEOUT })
        .catch(() => {});
  };

  /** It ends with its agent, unless the engine has lost it then. */
  const sweep = async (): Promise<void> => {
    if (isSwept) return;
    await remove(
      ...(await askEngine(project, 'ps', '--all', '--quiet', '--filter', `label=${label}`)),
    );
    isSwept = true;
  };

  const start = async ({ id }: Container): Promise<Running> => {
    await sweep();
    const [line = ''] = await inspect(project, '{{.Image}} {{.HostConfig.NetworkMode}}', [id]);
    const [image = '', network = ''] = line.split(' ');
    const mounts = await mountsOf(project, id);
    const name = `${HELPER_PREFIX}${randomUUID()}`;
    const command = executor.open(
      [
        ...[...engine, 'run', '--rm', '--interactive', '--name', name, '--label', label],
        ...mounts.filter(({ Destination }) => Destination !== socket?.target).flatMap(mountAgain),
        ...(socket === undefined
          ? ['--network', network]
          : ['--network', 'none', ...mountOption('bind', socket.directory, socket.target)]),
        ...['--entrypoint', 'bash', imageId(image), '-c', WAIT],
      ],
      { timeout: 0 },
    );
    const late = setTimeout(command.kill, START_TIMEOUT);
    const isReady = (await firstByte(command)) === READY;
    clearTimeout(late);
    if (isReady) {
      command.stdout.resume();
      return { name, command };
    }
    const said = await command.ended;
    await remove(name);
    throw new ColdspareError(
      'database-failed',
      `no container could be started beside that of ${service}: ${said}`,
      `"${engine.join(' ')} ps --all" on this machine shows what there is; its image needs bash. It is tried again by itself`,
      { value: service },
    );
  };

  /** The helper, which is started if need be. */
  const present = (): Promise<Running> => {
    if (running !== undefined) return running;
    const mine = findContainer().then(start);
    running = mine;
    const forget = () => {
      if (running === mine) running = undefined;
    };
    mine.then(({ command }) => command.ended.then(forget), forget);
    return mine;
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

  const findOwner = async ({ name }: Running): Promise<string> => {
    const { directory } = await find();
    const argv = ['stat', '-c', '%u:%g', '--', directory];
    return (await exec(name, argv, { timeout: OWNER_TIMEOUT })).trim();
  };

  /** Whoever comes now gets a new one. */
  const end = (): void => {
    const mine = running;
    running = undefined;
    mine?.then(({ command }) => command.stdin.end()).catch(() => {});
  };

  const using = async <T>(use: () => Promise<T>, idle = IDLE): Promise<T> => {
    clearTimeout(timer);
    users += 1;
    try {
      return await use();
    } finally {
      users -= 1;
      if (users === 0) timer = setTimeout(end, idle).unref();
    }
  };

  return {
    run: (argv, given) =>
      using(async () => {
        const helper = await present();
        try {
          helper.owner ??= findOwner(helper);
          return await exec(helper.name, argv, given, await helper.owner);
        } catch (error) {
          // The end of the engine's client is not the end of the program.
          if (!isError(error, 'command-failed')) {
            if ((await running?.catch(() => undefined)) === helper) running = undefined;
            await remove(helper.name);
          }
          throw error;
        }
      }),

    runShort: (argv, given) =>
      using(async () => {
        if (running !== undefined) return exec((await present()).name, argv, given);
        const { id, isRunning } = await findContainer();
        return exec(isRunning ? id : (await present()).name, argv, given);
      }),

    warm: () => using(async () => void (await present()), WARM),
  };
};

const mountAgain = ({ Type, Name, Source, Destination, RW }: ContainerMount): string[] =>
  // By its name: the engine would remove a volume without one together with the last container that has it.
  mountOption(Type, Type === 'volume' ? Name : Source, Destination, RW ? '' : ',readonly');

const mountOption = (type: string, source: string, target: string, more = ''): string[] => [
  '--mount',
  `type=${type},source=${source},target=${target}${more}`,
];
