import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { runCommand } from '../../src/drivers/run-command.js';
import type { DockerEngine } from './docker-engine.js';

/** A directory with a compose file, and the engine it runs on. */
export class ComposeProject {
  readonly directory: string;
  readonly engine: DockerEngine;

  constructor(directory: string, engine: DockerEngine) {
    this.directory = directory;
    this.engine = engine;
  }

  /** A copy of a project of `test/apps`, with `env` as its `.env` and `files` beside the rest. */
  static async create(
    name: string,
    directory: string,
    engine: DockerEngine,
    env: Record<string, string | number> = {},
    files: Record<string, string> = {},
  ): Promise<ComposeProject> {
    await mkdir(directory, { recursive: true });
    await cp(resolve('test/apps', name), directory, { recursive: true });
    const lines = Object.entries(env).map(([key, value]) => `${key}=${value}\n`);
    await writeFile(join(directory, '.env'), lines.join(''));
    for (const [file, text] of Object.entries(files)) await writeFile(join(directory, file), text);
    return new ComposeProject(directory, engine);
  }

  /** Runs docker compose in that directory. Resolves to its output. */
  compose(...args: string[]): Promise<string> {
    return runCommand(['docker', 'compose', ...args], {
      timeout: 120_000,
      cwd: this.directory,
      env: this.engine.env,
    });
  }

  /** Runs a program in a service's container, `input` being its stdin. Resolves to what it prints. */
  exec(service: string, argv: readonly string[], input = ''): Promise<string> {
    return runCommand(['docker', 'compose', 'exec', '-T', service, ...argv], {
      timeout: 600_000,
      cwd: this.directory,
      env: this.engine.env,
      input,
    });
  }

  /** `docker inspect` of a service's container with this format; undefined when there is none. */
  async inspect(service: string, format: string): Promise<string | undefined> {
    const id = (await this.compose('ps', '--all', '--quiet', service)).trim();
    if (id === '') return undefined;
    return (await this.engine.docker('inspect', '--format', format, id)).trim();
  }
}
