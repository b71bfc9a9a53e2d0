import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { runCommand } from '../../src/drivers/run-command.js';
import { readApp } from '../../test/support/compose-pair.js';
import { ComposeProject } from '../../test/support/compose-project.js';
import type { DockerEngine } from '../../test/support/docker-engine.js';
import { eventually } from '../lib/agent-process.js';
import { freePorts } from '../lib/free-port.js';

const CHECK_EVERY = 10_000;
const CHECKS = 3;

/** Runs a line in a shell in the project's directory, as the old scripts do. `args` are its $1, $2 and so on. */
export const typeLine = (project: ComposeProject, script: string, ...args: string[]) =>
  runCommand(['bash', '-o', 'pipefail', '-c', script, 'bash', ...args], {
    timeout: 3_600_000,
    cwd: project.directory,
    env: project.engine.env,
  });

/** Seconds that `work` takes. */
export const timed = async (work: () => Promise<unknown>): Promise<number> => {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1_000;
};

/** Three failed checks in a row, one every 10 s, beginning anywhere within the first. Resolves to the moment. */
export const oldDetection = async (url: string): Promise<number> => {
  await pause(Math.random() * CHECK_EVERY);
  for (let failed = 0; ; await pause(CHECK_EVERY)) {
    failed = (await readApp(url)) === undefined ? failed + 1 : 0;
    if (failed === CHECKS) return Date.now();
  }
};

/** The sequence of commands that coldspare replaces, with its own copy of the shop beside that of VCL3. */
export class OldWay {
  /** Plain SQL of everything. */
  readonly dumpFile: string;
  readonly #project: ComposeProject;
  readonly #appUrl: string;

  private constructor(project: ComposeProject, appUrl: string, dumpFile: string) {
    this.#project = project;
    this.#appUrl = appUrl;
    this.dumpFile = dumpFile;
  }

  /** Prepares the copy: its database holds the seeds and is stopped. */
  static async open(engine: DockerEngine, directory: string): Promise<OldWay> {
    const [port = 0] = await freePorts(1);
    const env = { COFFEE: 'old', APP_PORT: port, DB_PASSWORD: 'flat-white-7' };
    const project = await ComposeProject.create('coffee', join(directory, 'old'), engine, env);
    const old = new OldWay(project, `http://127.0.0.1:${port}`, join(directory, 'dump.sql'));
    await project.compose('build', '--quiet', 'app');
    await project.compose('up', '--detach');
    await eventually('the old shop is open', () => readApp(`${old.#appUrl}/coffees`), 120_000);
    await old.#stop();
    return old;
  }

  async close(): Promise<void> {
    await this.#project.compose('down', '--volumes', '--timeout', '2');
  }

  /** Dumps the database of `from` to `dumpFile`: the last backup before the outage. */
  async takeDump(from: ComposeProject): Promise<void> {
    await typeLine(
      from,
      'docker compose exec -T db pg_dump --username=postgres coffee_dev > "$1"',
      this.dumpFile,
    );
  }

  /** Seconds from the moment that somebody decides to do it until the app there `isRight`. */
  async takeOver(isRight: (appUrl: string) => Promise<boolean>): Promise<number> {
    const took = await timed(async () => {
      await this.#project.compose('up', '--detach', 'db');
      await pause(10_000);
      await this.#untilReady();
      await this.#restore();
      await this.#project.compose('up', '--detach', 'app');
      while (!(await isRight(this.#appUrl))) await pause(5_000);
    });
    await this.#stop();
    return took;
  }

  /** Seconds that its restore takes by itself. */
  async restore(): Promise<number> {
    await this.#project.compose('up', '--detach', 'db');
    await this.#untilReady();
    const took = await timed(() => this.#restore());
    await this.#stop();
    return took;
  }

  async #untilReady(): Promise<void> {
    const isReady = () =>
      this.#project.exec('db', ['pg_isready', '--username=postgres']).then(
        () => true,
        () => false,
      );
    while (!(await isReady())) await pause(1_000);
  }

  async #restore(): Promise<void> {
    for (const statement of ['DROP DATABASE IF EXISTS coffee_dev', 'CREATE DATABASE coffee_dev'])
      await this.#project.exec('db', ['psql', '-q', '--username=postgres', '-c', statement]);
    await typeLine(
      this.#project,
      'cat "$1" | docker compose exec -T db psql -q --username=postgres coffee_dev > /dev/null',
      this.dumpFile,
    );
  }

  async #stop(): Promise<void> {
    await this.#project.compose('stop', '--timeout', '10');
  }
}
