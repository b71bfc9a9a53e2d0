import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  chmod,
  copyFile,
  cp,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { eventually } from '../../scripts/lib/agent-process.js';
import { freePorts } from '../../scripts/lib/free-port.js';
import type { NodeStatus } from '../../src/domain/status.js';
import { type Cluster, createCluster } from './postgres.js';
import { listPids } from './processes.js';
import { Sshd } from './sshd.js';

const SYSTEMCTL = resolve('test/apps/systemctl.mjs');

/** A bare machine: a real sshd, a directory in place of its root, and a small systemctl. */
export class BareServer {
  readonly name: string;
  readonly root: string;
  readonly sshd: Sshd;
  readonly database: Cluster;
  readonly agentPort: number;
  readonly appPort: number;
  readonly #programs: string;

  private constructor(
    name: string,
    root: string,
    programs: string,
    sshd: Sshd,
    database: Cluster,
    ports: readonly [number, number],
  ) {
    this.name = name;
    this.root = root;
    this.#programs = programs;
    this.sshd = sshd;
    this.database = database;
    [this.agentPort, this.appPort] = ports;
  }

  static async create(
    name: string,
    directory: string,
    ports: readonly [number, number],
  ): Promise<BareServer> {
    const root = join(directory, name);
    const programs = join(directory, `${name}-bin`);
    const app = join(root, 'srv/app');
    await mkdir(join(root, 'etc/systemd/system'), { recursive: true });
    await mkdir(programs);
    await mkdir(app, { recursive: true });
    // Copied, because the agent's user may have no access to this checkout.
    for (const file of ['service.mjs', 'ledger.mjs'])
      await copyFile(join('test/apps', file), join(app, file));
    await copyPackage('pg', join(app, 'node_modules'));
    const sshd = await Sshd.start({
      PATH: `${programs}:${process.env.PATH}`,
      COLDSPARE_TEST_ROOT: root,
    });
    const database = await createCluster();
    const server = new BareServer(name, root, programs, sshd, database, ports);
    await server.plant('systemctl', `exec ${process.execPath} ${SYSTEMCTL} "$@"`);
    return server;
  }

  /** Installs a program that the SSH sessions of this machine find before any other of that name. */
  async plant(program: string, script: string): Promise<void> {
    const path = join(this.#programs, program);
    await writeFile(path, `#!/bin/sh\n${script}\n`);
    await chmod(path, 0o755);
  }

  async unplant(program: string): Promise<void> {
    await rm(join(this.#programs, program));
  }

  /** Runs systemctl on this machine. */
  systemctl(...words: string[]): void {
    execFileSync(process.execPath, [SYSTEMCTL, ...words], {
      env: { PATH: process.env.PATH, COLDSPARE_TEST_ROOT: this.root },
    });
  }

  path(...parts: string[]): string {
    return join(this.root, ...parts);
  }

  get current(): Promise<string> {
    return readlink(this.path('opt/coldspare/current'));
  }

  async status(): Promise<NodeStatus> {
    const environment = await readFile(this.path('opt/coldspare/current/coldspare.env'), 'utf8');
    const token = /^ADMIN_TOKEN="(.*)"$/m.exec(environment)?.[1];
    const headers = { authorization: `Bearer ${token}` };
    const response = await fetch(`http://127.0.0.1:${this.agentPort}/status`, { headers });
    if (!response.ok) throw new Error(await response.text());
    return response.json() as Promise<NodeStatus>;
  }

  /** Pids of this server's processes whose command line contains `mark`. */
  pids(mark: string): number[] {
    return listPids().filter((pid) => {
      const command = read(`/proc/${pid}/cmdline`);
      const about = command + read(`/proc/${pid}/environ`);
      return about.includes(this.root) && command.includes(mark);
    });
  }

  get appPid(): number | undefined {
    return this.pids('ledger.mjs')[0];
  }

  /** The variables of this server in the inventory. */
  get environment(): Record<string, string | number> {
    const app = this.path('srv/app');
    const url = `postgres://postgres@127.0.0.1:${this.database.port}/ledger`;
    const service = (action: string) =>
      `env PORT=${this.appPort} DATABASE_URL=${url} ${process.execPath} ${app}/service.mjs ${action} ${this.path('var/lib/coldspare/app.pid')} ${app}/ledger.mjs`;
    return {
      PORT: this.agentPort,
      DB_PORT: this.database.port,
      APP_START_COMMAND: service('start'),
      APP_STOP_COMMAND: service('stop'),
      APP_HEALTH_URL: `http://127.0.0.1:${this.appPort}/`,
    };
  }

  async remove(): Promise<void> {
    this.systemctl('stop', 'coldspare');
    await eventually(`${this.name} is quiet`, async () => {
      const pids = this.pids('').filter((pid) => pid !== process.pid);
      for (const pid of pids) process.kill(pid, 'SIGKILL');
      return pids.length === 0;
    });
    await this.sshd.remove();
    await this.database.remove();
  }
}

const read = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};

interface Differences {
  hostKey?: string | null;
  port?: number;
  variables?: Record<string, string | number>;
}

export interface Outcome {
  code: number;
  /** Everything that it printed. */
  said: string;
}

/** Two bare machines and an inventory of them. */
export class DeployStage {
  readonly vcl2: BareServer;
  readonly vcl3: BareServer;
  readonly inventory: string;
  readonly #directory: string;
  readonly #user: string;

  private constructor(directory: string, vcl2: BareServer, vcl3: BareServer) {
    this.#directory = directory;
    this.vcl2 = vcl2;
    this.vcl3 = vcl3;
    this.inventory = join(directory, 'inventory.yml');
    this.#user = `coldspare-t${process.pid}`;
  }

  static async create(): Promise<DeployStage> {
    const directory = await mkdtemp(join(tmpdir(), 'd-'));
    await chmod(directory, 0o755);
    const [a = 0, b = 0, c = 0, d = 0] = await freePorts(4);
    const [vcl2, vcl3] = await Promise.all([
      BareServer.create('vcl2', directory, [a, b]),
      BareServer.create('vcl3', directory, [c, d]),
    ]);
    await vcl2.database.psql('CREATE DATABASE ledger');
    const stage = new DeployStage(directory, vcl2, vcl3);
    await stage.writeInventory();
    return stage;
  }

  get servers(): readonly [BareServer, BareServer] {
    return [this.vcl2, this.vcl3];
  }

  get secretsFile(): string {
    return join(this.#directory, 'inventory.secrets');
  }

  /** Writes the right inventory, with `differences` at VCL3. A host key of null leaves it out. */
  async writeInventory(
    environment: Record<string, string> = {},
    { hostKey, port, variables }: Differences = {},
  ): Promise<void> {
    const about = (server: BareServer) => ({
      host: '127.0.0.1',
      port: server.sshd.port,
      user: server.sshd.user,
      key: server.sshd.keyFile,
      host_key: server.sshd.hostKey,
      root: server.root,
      environment: server.environment,
    });
    const { host_key: known, ...vcl3 } = about(this.vcl3);
    const inventory = {
      servers: {
        vcl2: about(this.vcl2),
        vcl3: {
          ...vcl3,
          ...(hostKey === null ? {} : { host_key: hostKey ?? known }),
          ...(port !== undefined && { port }),
          environment: { ...vcl3.environment, ...variables },
        },
      },
      run_as: this.#user,
      environment: {
        STACK: 'host',
        HOST: '127.0.0.1',
        DB_NAME: 'ledger',
        BACKUP_CRON: '0 0 1 1 *',
        CHECK_INTERVAL: '500ms',
        CHECK_TIMEOUT: '3s',
        ALONE_GRACE: '20s',
        FAILBACK: 'manual',
        MONITOR: 'off',
        ...environment,
      },
    };
    // YAML is a superset of JSON.
    await writeFile(this.inventory, JSON.stringify(inventory, null, 2));
  }

  /** `./scripts/deploy`, without installing and building again. */
  deploy(...flags: string[]): Promise<Outcome> {
    return this.deployFrom('.', ...flags);
  }

  /** As `deploy`, from another checkout. */
  deployFrom(project: string, ...flags: string[]): Promise<Outcome> {
    const program = resolve(project, 'dist/scripts/deploy-pair/main.js');
    return new Promise((resolve) => {
      execFile(
        process.execPath,
        [program, this.inventory, ...flags],
        { env: { PATH: process.env.PATH, TMPDIR: process.env.TMPDIR } },
        (error, stdout, stderr) =>
          resolve({ code: error === null ? 0 : Number(error.code), said: stdout + stderr }),
      );
    });
  }

  /** A checkout of the next version, with the same packages. */
  async nextVersion(): Promise<string> {
    const project = join(this.#directory, 'next');
    await cp('dist', join(project, 'dist'), { recursive: true });
    const about = JSON.parse(await readFile('package.json', 'utf8'));
    await writeFile(join(project, 'package.json'), JSON.stringify({ ...about, version: '9.9.9' }));
    await copyFile('package-lock.json', join(project, 'package-lock.json'));
    await symlink(resolve('node_modules'), join(project, 'node_modules'));
    return project;
  }

  /** Describes all files of both servers, except those that running agents change: path → mode, owner, content. */
  async tree(): Promise<Record<string, string>> {
    const entries: Record<string, string> = {};
    for (const { root } of this.servers) await describe(root, entries);
    return entries;
  }

  async remove(): Promise<void> {
    for (const server of this.servers) await server.remove();
    await rm(this.#directory, { recursive: true, force: true });
    try {
      execFileSync('userdel', [this.#user], { stdio: 'ignore' });
    } catch {
      // No deploy has created the user.
    }
  }
}

const describe = async (path: string, entries: Record<string, string>): Promise<void> => {
  for (const name of await readdir(path)) {
    const inside = join(path, name);
    if (/\/var\/lib\/coldspare$|\/run$|\/node_modules$/.test(inside)) continue;
    const about = await lstat(inside);
    const head = `${about.mode.toString(8)} ${about.uid}`;
    if (about.isDirectory()) await describe(inside, entries);
    if (about.isSymbolicLink()) entries[inside] = `${head} → ${await readlink(inside)}`;
    else if (about.isFile()) {
      const digest = createHash('sha256').update(await readFile(inside));
      entries[inside] = `${head} ${about.mtimeMs} ${digest.digest('hex')}`;
    } else entries[inside] = head;
  }
};

/** Copies a package and all its dependencies. */
const copyPackage = async (name: string, modules: string): Promise<void> => {
  const source = join('node_modules', name);
  await cp(source, join(modules, name), { recursive: true });
  const { dependencies = {} } = JSON.parse(await readFile(join(source, 'package.json'), 'utf8'));
  for (const dependency of Object.keys(dependencies)) await copyPackage(dependency, modules);
};
