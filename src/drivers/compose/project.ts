import { basename } from 'node:path';
import { ColdspareError } from '../../domain/errors.js';
import { type CommandOptions, type Executor, splitCommand } from '../run-command.js';

/** Milliseconds for a query to compose or to the engine. */
export const QUERY_TIMEOUT_MS = 20_000;

/** What compose's labels begin with. */
export const LABEL = 'com.docker.compose';

/** The label of a container that the agent made from another image than the project's files name. */
export const INSTEAD_OF = 'coldspare.instead-of';

/** A compose project, and the commands for it. */
export interface Project {
  /** Runs programs in the project's directory, where compose finds its files and `.env`. */
  readonly executor: Executor;
  /** The words of the compose command, such as `docker compose`. */
  readonly compose: readonly string[];
  /** The words of the engine's own command, such as `docker`. */
  readonly engine: readonly string[];
  /** Where compose reads variables from; relative to the project's directory. */
  readonly envFiles: readonly string[];
  /** The names that compose gave, once they were seen. Asking compose again is slow: it reads all files first. */
  readonly seen: {
    project?: string | undefined;
    readonly containers: Map<string, string>;
    /** The ids of each service's containers. */
    readonly ids: Map<string, readonly string[]>;
    /** How many containers each service has to have, as the files said last. */
    readonly replicas: Map<string, number>;
  };
  readonly directory: string;
}

/** @throws ColdspareError `invalid-request` when `command` is no compose command */
export const openProject = (
  executor: Executor,
  { command, directory }: { command: string; directory: string },
): Project => {
  const compose = splitCommand(command);
  return {
    executor: inDirectory(executor, directory),
    compose,
    engine: engineOf(compose),
    envFiles: envFilesOf(compose),
    seen: { containers: new Map(), ids: new Map(), replicas: new Map() },
    directory,
  };
};

export const runCompose = (
  { executor, compose }: Project,
  args: readonly string[],
  options: CommandOptions,
): Promise<string> => executor.run([...compose, ...args], options);

/** Asks the engine itself. Resolves to the lines of its answer. */
export const askEngine = async (
  { executor, engine }: Project,
  ...args: string[]
): Promise<string[]> =>
  linesOf(await executor.run([...engine, ...args], { timeout: QUERY_TIMEOUT_MS }));

/** As `askEngine`, but asks compose. */
export const askCompose = async (project: Project, ...args: string[]): Promise<string[]> =>
  linesOf(await runCompose(project, args, { timeout: QUERY_TIMEOUT_MS }));

/** `docker inspect` of these containers: one line in `format` for each. */
export const inspect = async (
  project: Project,
  format: string,
  ids: readonly string[],
): Promise<string[]> =>
  ids.length === 0
    ? []
    : askEngine(project, 'inspect', '--type', 'container', '--format', format, ...ids);

const linesOf = (text: string): string[] => text.split('\n').filter((line) => line !== '');

const inDirectory = (executor: Executor, cwd: string): Executor => ({
  run: (argv, options) => executor.run(argv, { ...options, cwd }),
  open: (argv, options) => executor.open(argv, { ...options, cwd }),
});

const envFilesOf = (compose: readonly string[]): string[] => {
  const named = compose.flatMap((word, index) => {
    if (word.startsWith('--env-file=')) return [word.slice('--env-file='.length)];
    return compose[index - 1] === '--env-file' ? [word] : [];
  });
  return named.length > 0 ? named : ['.env'];
};

/** `docker` for `docker compose` and for `docker-compose`, with what stands before it, such as `sudo`. */
const engineOf = (compose: readonly string[]): string[] => {
  const at = compose.findIndex((word) => /^(.+-)?compose$/.test(basename(word)));
  const word = compose[at];
  const engine = word === undefined ? [] : compose.slice(0, at);
  if (word !== undefined && basename(word) !== 'compose')
    engine.push(basename(word).slice(0, -'-compose'.length));
  const isNamingFiles = compose.some((option) => /^(-f|--file)(=|$)/.test(option));
  if (engine.length > 0 && !isNamingFiles) return engine;
  throw new ColdspareError(
    'invalid-request',
    `COMPOSE_COMMAND ${isNamingFiles ? 'names compose files' : 'is no compose command'}: ${compose.join(' ')}`,
    isNamingFiles
      ? 'name them with COMPOSE_FILE in the .env of the project, so that yours and the agent use the same'
      : 'give "docker compose", "docker-compose" or "podman compose"',
    { value: compose.join(' ') },
  );
};
