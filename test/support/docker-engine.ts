import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, openSync, readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe } from 'vitest';
import { eventually } from '../../scripts/lib/agent-process.js';
import { runCommand } from '../../src/drivers/run-command.js';
import { familiesOf, killFamilies, listPids, runsAs } from './processes.js';

const BASE_IMAGE = resolve('.cache/base-image.tar');
const IMAGES = resolve('test/docker');

/** `name` and everything it depends on. */
const packagesOf = (name: string, found = new Set<string>()): Set<string> => {
  if (found.has(name)) return found;
  found.add(name);
  const { dependencies = {}, optionalDependencies = {} } = JSON.parse(
    readFileSync(join('node_modules', name, 'package.json'), 'utf8'),
  );
  for (const each of Object.keys({ ...dependencies, ...optionalDependencies }))
    packagesOf(each, found);
  return found;
};

const works = (program: string, ...args: string[]): boolean => {
  try {
    execFileSync(program, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};
/** Why no engine can be started here; undefined when one can. */
export const missingDocker = (): string | undefined => {
  if (process.getuid?.() !== 0) return 'a Docker engine of its own needs root';
  if (!works('dockerd', '--version')) return 'dockerd is not installed (docker.io)';
  if (!works('docker', 'compose', 'version'))
    return 'there is no docker compose (test/docker/prepare)';
  return existsSync(BASE_IMAGE) ? undefined : 'there is no base image (test/docker/prepare)';
};

/** `describe` for tests on a real Docker engine; skipped with the reason in its name, but never in CI. */
export const describeDocker = (name: string, tests: () => void, alsoMissing?: string): void => {
  const reason = missingDocker() ?? alsoMissing;
  if (reason === undefined) {
    describe(name, tests);
  } else if (process.env.CI === 'true') {
    throw new Error(`${name}: ${reason}`);
  } else {
    console.warn(`SKIPPED ${name}: ${reason}`);
    describe.skip(`${name} (${reason})`, tests);
  }
};

/** Mounts that an engine leaves when it loses power: layers and namespaces of its containers, the innermost first. */
const mountsBelow = (directory: string): string[] =>
  readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((path) => path.startsWith(`${directory}/`))
    .reverse();

/** The data directory of an engine that has only the images. Its name is a digest of what they are made of. */
const imagesDirectory = async (): Promise<string> => {
  const { size, mtimeMs } = await stat(BASE_IMAGE);
  const hash = createHash('sha256').update(`${size} ${mtimeMs}`);
  const files = ['postgres/Dockerfile', 'postgres/entrypoint.sh', 'node/Dockerfile'];
  for (const file of [...files.map((name) => join(IMAGES, name)), 'node_modules/pg/package.json'])
    hash.update(await readFile(file));
  return resolve('.cache', `engine-images-${hash.digest('hex').slice(0, 16)}`);
};

/** Copies with owners, devices and extended attributes, which the layers of images need. */
const copyAll = (from: string, to: string): Promise<string> =>
  runCommand(['cp', '--archive', '--reflink=auto', from, to], { timeout: 120_000 });

/** The images are being made, by this test file. */
let makingImages: Promise<void> | undefined;

/** A Docker engine of the test's own, with images named as users know them. It sees no network but its own. */
export class DockerEngine {
  /** The environment with which docker and docker compose use this engine. */
  readonly env: { DOCKER_HOST: string; DOCKER_BUILDKIT: string };
  readonly #directory: string;
  #process: ChildProcess | undefined;
  #hangs = false;

  private constructor(directory: string) {
    this.#directory = directory;
    this.env = { DOCKER_HOST: `unix://${join(directory, 'sock')}`, DOCKER_BUILDKIT: '0' };
  }

  static async start(): Promise<DockerEngine> {
    const images = await imagesDirectory();
    // Two engines that start at once wait for one another: to make the images takes half a minute of both cores.
    if (!existsSync(images)) {
      makingImages ??= DockerEngine.#makeImages(images);
      await makingImages;
    }
    const engine = new DockerEngine(await mkdtemp(join(tmpdir(), 'engine-')));
    try {
      await copyAll(images, engine.#data);
      await engine.boot();
      return engine;
    } catch (error) {
      await engine.remove();
      throw error;
    }
  }

  /** Runs docker. Resolves to its output. */
  docker(...args: string[]): Promise<string> {
    return runCommand(['docker', ...args], { timeout: 120_000, env: this.env });
  }

  /** Starts the engine, as a machine does when it boots. It starts containers by their restart policies. */
  async boot(): Promise<void> {
    const log = openSync(join(this.#directory, 'log'), 'a', 0o600);
    const child = spawn(
      'dockerd',
      [
        ...['--host', this.env.DOCKER_HOST, '--pidfile', join(this.#directory, 'pid')],
        ...['--data-root', this.#data],
        ...['--exec-root', join(this.#directory, 'exec')],
        // Published ports go through a proxy of the engine, so nothing of the machine's own network is touched.
        ...['--bridge', 'none', '--iptables=false', '--ip6tables=false'],
      ],
      // A containerd that takes long to end writes its stack traces there.
      { stdio: ['ignore', log, log], env: { ...process.env, TMPDIR: this.#directory } },
    );
    this.#process = child;
    await eventually('the Docker engine answers', async () => {
      if (child.exitCode !== null) throw new Error(`dockerd ended with ${child.exitCode}`);
      await this.docker('version');
      return true;
    });
  }

  /** Ends the engine and its containers, as a machine does when it goes down. */
  async shutDown(): Promise<void> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    await exited;
  }

  /** The machine loses power: the engine and everything it started end at once, without writing anything to disk. */
  async losePower(): Promise<void> {
    await killFamilies(this.#pids());
    this.#hangs = false;
    // A process that was just killed may still hold one of them.
    for (const path of mountsBelow(this.#directory)) execFileSync('umount', ['--lazy', path]);
    // A new engine would wait for the old containerd, whose pid may belong to another process by now.
    for (const each of ['exec', 'pid'])
      await rm(join(this.#directory, each), { recursive: true, force: true });
  }

  /** Makes the engine and everything it started hang: they accept connections and answer nothing. */
  hang(): void {
    this.#hangs = true;
    for (const pid of familiesOf(this.#pids())) process.kill(pid, 'SIGSTOP');
  }

  /** The engine and the shims of its containers, which are not its children. */
  #pids(): number[] {
    const { pid } = this.#process ?? {};
    const keepers = listPids().filter((each) => runsAs(each, join(this.#directory, 'exec')));
    return [...new Set([...(pid === undefined ? [] : [pid]), ...keepers])];
  }

  async remove(): Promise<void> {
    await this.#tidyUp().catch(() => {});
    await this.#discard();
  }

  async #discard(): Promise<void> {
    await this.losePower();
    await rm(this.#directory, { recursive: true, force: true, maxRetries: 5 });
  }

  /** Removes its networks, which lie outside of its directory. Only a running engine can do that. */
  async #tidyUp(): Promise<void> {
    const isUp = this.#process?.exitCode === null && this.#process.signalCode === null;
    if (!isUp || this.#hangs) {
      await this.losePower();
      await this.boot();
    }
    const containers = await this.docker('ps', '--all', '--quiet');
    const ids = containers.split('\n').filter((id) => id !== '');
    if (ids.length > 0) await this.docker('rm', '--force', '--volumes', ...ids);
    await this.docker('network', 'prune', '--force');
    await this.shutDown();
  }

  /** Leaves the images in `images`, for the engines that come. */
  static async #makeImages(images: string): Promise<void> {
    const engine = new DockerEngine(await mkdtemp(join(tmpdir(), 'engine-')));
    try {
      await engine.boot();
      await engine.docker('import', BASE_IMAGE, 'coldspare-test-base');
      await engine.docker('build', '--quiet', '--tag', 'postgres:15', join(IMAGES, 'postgres'));
      await engine.#buildNode();
      await engine.shutDown();
      const part = `${images}.${process.pid}`;
      await copyAll(engine.#data, part);
      // Another test file may have been faster.
      await rename(part, images).catch(() => rm(part, { recursive: true, force: true }));
    } finally {
      await engine.#discard();
    }
  }

  get #data(): string {
    return join(this.#directory, 'data');
  }

  async #buildNode(): Promise<void> {
    const context = join(this.#directory, 'node');
    await mkdir(join(context, 'node_modules'), { recursive: true });
    await cp(join(IMAGES, 'node/Dockerfile'), join(context, 'Dockerfile'));
    for (const name of packagesOf('pg')) {
      const packageDirectory = join('node_modules', name);
      await cp(packageDirectory, join(context, packageDirectory), { recursive: true });
    }
    await this.docker('build', '--quiet', '--tag', 'node:20-slim', context);
  }
}
