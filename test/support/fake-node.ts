import { createHash, randomUUID } from 'node:crypto';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { finished } from 'node:stream/promises';
import { assembleNode } from '../../src/agent/create-node.js';
import { BackupStore } from '../../src/backups/backup-store.js';
import type { Settings } from '../../src/config/settings.js';
import { ColdspareError } from '../../src/domain/errors.js';
import type { Inventory, Manifest } from '../../src/domain/manifest.js';
import type { Marker } from '../../src/domain/marker.js';
import { createFileDisk } from '../../src/drivers/file-disk.js';
import { createRandomIds } from '../../src/drivers/random-ids.js';
import { createSystemClock } from '../../src/drivers/system-clock.js';
import { Journal } from '../../src/engine/journal.js';
import type { Node } from '../../src/operations/node.js';
import type { Peer } from '../../src/peer/peer.js';
import { noFaults } from '../../src/ports/faults.js';
import type { Announcement } from '../../src/ports/notifier.js';
import type { ProbeResult } from '../../src/ports/probe.js';
import type {
  App,
  Database,
  DumpFacts,
  LiveDatabase,
  RestoreOptions,
  Staging,
} from '../../src/ports/stack.js';
import { Ballast } from '../../src/state/ballast.js';
import { noteProven } from '../../src/state/baseline.js';
import { NodeState } from '../../src/state/node-state.js';

const NAME = 'ledger';
export const LINEAGE = 'lineage-of-the-tests';

export interface Content {
  rows: Record<string, number>;
  marker: Marker | undefined;
  /** As `Position.database`; given at the first look. */
  id?: string;
}

/** A PostgreSQL that is only a map of row counts. Its dump is JSON, and anything else is unusable. */
export class FakeDatabase implements Database {
  readonly databases = new Map<string, Content>();
  isUp = true;
  /** Free space in bytes. */
  free = 1024 ** 4;
  isFrozen = false;
  /** The answer to any query of a drill. */
  truth: unknown = true;
  readonly #staging = new Map<Staging, Content>();

  async start(): Promise<void> {
    this.isUp = true;
  }
  async stop(): Promise<void> {
    this.isUp = false;
  }
  async answers(): Promise<boolean> {
    return this.isUp;
  }
  async live(): Promise<LiveDatabase> {
    this.#refuseDown();
    const live = this.databases.get(NAME);
    if (live === undefined) return { exists: false, marker: undefined };
    live.id ??= randomUUID();
    const log = `${await this.writes()}`;
    return { exists: true, marker: live.marker, position: { database: live.id, log } };
  }
  async mark(marker: Marker): Promise<void> {
    this.#live().marker = marker;
  }
  async inventory(of?: Staging): Promise<Inventory> {
    return inventoryOf(of === undefined ? this.#live() : this.#staged(of));
  }
  async fingerprint(): Promise<string> {
    return createHash('sha256').update(JSON.stringify(this.#live().rows)).digest('hex');
  }
  async dump(sink: Writable, _signal: AbortSignal): Promise<DumpFacts> {
    const live = this.#live();
    sink.end(JSON.stringify(live.rows));
    await finished(sink, { readable: false });
    return {
      format: 'custom',
      serverVersion: '15.8',
      marker: live.marker,
      inventory: inventoryOf(live),
      databaseBytes: 1_000,
      fingerprint: await this.fingerprint(),
      surroundings: SURROUNDINGS,
    };
  }
  async restore(
    content: Readable,
    manifest: Manifest,
    _signal?: AbortSignal,
    { staging = 'incoming' }: RestoreOptions = {},
  ): Promise<void> {
    this.#refuseDown();
    try {
      this.#staging.set(staging, { rows: JSON.parse(await text(content)), marker: undefined });
    } catch (cause) {
      throw new ColdspareError('backup-unusable', `${manifest.id} is no dump`, 'use another', {
        cause,
      });
    }
  }
  async answer(): Promise<unknown> {
    this.#staged('drill');
    return this.truth;
  }
  async discard(staging: Staging = 'incoming'): Promise<void> {
    this.#refuseDown();
    this.#staging.delete(staging);
  }
  async swap(marker: Marker, keepAs: string): Promise<{ kept: boolean }> {
    const incoming = this.#staged('incoming');
    const live = this.databases.get(NAME);
    if (live !== undefined) this.databases.set(keepAs, live);
    this.databases.set(NAME, { ...incoming, marker });
    this.#staging.delete('incoming');
    this.isFrozen = true;
    return { kept: live !== undefined };
  }
  async setAside(keepAs: string): Promise<void> {
    const live = this.databases.get(NAME);
    if (live !== undefined) this.databases.set(keepAs, live);
    this.databases.delete(NAME);
  }
  async freeSpace(): Promise<number> {
    return this.free;
  }
  async others(): Promise<string[]> {
    const staging = [...this.#staging.keys()].map((name) => `${NAME}_${name}`);
    return [...this.databases.keys(), ...staging].filter((name) => name !== NAME);
  }
  async drop(name: string): Promise<void> {
    this.databases.delete(name);
  }
  async freeze(): Promise<void> {
    this.#refuseDown();
    this.isFrozen = true;
  }
  async thaw(): Promise<void> {
    this.#refuseDown();
    this.isFrozen = false;
  }
  async usage(): Promise<string> {
    return `${await this.writes()}`;
  }
  async writes(): Promise<bigint> {
    return BigInt(Object.values(this.#live().rows).reduce((sum, count) => sum + count, 0));
  }

  #staged(staging: Staging): Content {
    this.#refuseDown();
    const found = this.#staging.get(staging);
    if (found === undefined) throw failed(`there is no ${staging} database`);
    return found;
  }
  #live(): Content {
    this.#refuseDown();
    const live = this.databases.get(NAME);
    if (live === undefined) throw failed(`there is no database ${NAME}`);
    return live;
  }
  #refuseDown(): void {
    if (this.isUp) return;
    throw new ColdspareError('database-unreachable', 'the database is stopped', 'start it');
  }
}

const failed = (message: string) => new ColdspareError('database-failed', message, 'none');

const inventoryOf = ({ rows }: Content): Inventory => ({
  rows: { ...rows },
  sequences: {},
  largeObjects: 0,
});

const SURROUNDINGS: Manifest['surroundings'] & object = {
  encoding: 'UTF8',
  collate: 'C',
  ctype: 'C',
  owner: 'postgres',
  settings: {},
  roles: [
    {
      name: 'barista',
      login: true,
      superuser: false,
      createDb: false,
      createRole: false,
      memberOf: [],
      verifier: 'SCRAM-SHA-256$4096:verifier-of-the-barista',
    },
  ],
};

/** An app that answers as long as it runs. */
export class FakeApp implements App {
  runs = false;
  isFullyRunning?: () => Promise<boolean>;
  async start(): Promise<void> {
    this.runs = true;
  }
  async stop(): Promise<void> {
    this.runs = false;
  }
  async isRunning(): Promise<boolean> {
    return this.runs;
  }
  async check(): Promise<ProbeResult> {
    return this.runs
      ? { outcome: 'answers', status: 200 }
      : { outcome: 'refuses', detail: 'ECONNREFUSED' };
  }
}

const nobody = async (): Promise<never> => {
  throw new ColdspareError('peer-unreachable', 'the other node is not there', 'none');
};

/** A peer whose machine is gone. Tests replace what it should answer all the same. */
const lostPeer = (): Peer => ({
  status: nobody,
  instance: nobody,
  fence: nobody,
  fenceUnused: nobody,
  rescue: nobody,
  takeOver: nobody,
  requestHandover: nobody,
  operation: nobody,
  cancel: nobody,
  backup: nobody,
  received: nobody,
  upload: nobody,
  confirm: nobody,
  commit: nobody,
  openReplication: nobody,
});

/** Makes the peer accept every backup that it is sent. */
export const takesBackups = (peer: Peer): void => {
  peer.received = async () => 0;
  peer.upload = async (_id, content) => {
    content.resume();
    return { bytes: 0, sha256: '' };
  };
  peer.commit = async () => {};
};

const SETTINGS: Settings = {
  nodeName: 'vcl3',
  peerUrl: 'http://vcl2.invalid:8080',
  databaseName: NAME,
  backupPrefix: NAME,
  retention: { newest: 5, daily: 7, weekly: 4 },
  backupMaxAge: 7_200_000,
  appHealthUrl: 'http://app.invalid/',
  appHealth: { host: undefined, statuses: undefined },
  primaryCheckUrl: undefined,
  witnessUrl: undefined,
  monitor: 'off',
  checkInterval: 1_000,
  checkTimeout: 500,
  witnessTimeout: 500,
  failThreshold: 2,
  confirmChecks: 1,
  confirmInterval: 10,
  failback: 'manual',
  prepare: 'on-promote',
  drillQuery: undefined,
  failbackStable: 1_000,
  rescueTimeout: 1_000,
  alone: 'serve',
  aloneGrace: 100,
  appStartTimeout: 1_000,
  appRestartAfter: 1_000,
  webhookMonitors: [],
  webhookSigningSecret: undefined,
  servedFile: '',
  replicaFile: '/state/replica.json',
  keptDirectory: '/state/kept',
  heartbeatFile: undefined,
};

interface LogLine {
  level: 'info' | 'warn' | 'error';
  data: object;
  message: string;
}

export interface FakeNode {
  node: Node;
  database: FakeDatabase;
  app: FakeApp;
  logged: LogLine[];
  announced: Announcement[];
  /** The node's STATE_DIR. */
  directory: string;
  remove(): Promise<void>;
}

/**
 * A node with real state, journal, backups and runner on a real disk; only what is outside the process is fake.
 * A primary serves the database of `LINEAGE` at epoch 1; a standby has never heard of anybody. With `stateFrom`, the
 * node starts on a copy of that state directory.
 */
export const createFakeNode = async (
  role: 'primary' | 'standby',
  options: { settings?: Partial<Settings>; maxBytes?: number; stateFrom?: string } = {},
): Promise<FakeNode> => {
  const directory = await mkdtemp(join(tmpdir(), 'fake-node-'));
  if (options.stateFrom !== undefined) await cp(options.stateFrom, directory, { recursive: true });
  const disk = createFileDisk();
  const clock = createSystemClock();
  const ids = createRandomIds();
  const logged: LogLine[] = [];
  const announced: Announcement[] = [];
  const log = Object.fromEntries(
    (['info', 'warn', 'error'] as const).map((level) => [
      level,
      (data: object, message: string) => logged.push({ level, data, message }),
    ]),
  ) as unknown as Node['log'];
  const state = await NodeState.open(disk, directory, role, clock.now);
  const journal = await Journal.open(disk, directory);
  const database = new FakeDatabase();
  const app = new FakeApp();
  const backups = await BackupStore.open(
    disk,
    join(directory, 'backups'),
    noFaults,
    options.maxBytes ?? 1024 ** 3,
  );
  const settings = {
    ...SETTINGS,
    nodeName: role === 'primary' ? 'vcl2' : 'vcl3',
    servedFile: join(directory, 'served.json'),
    ...options.settings,
  };
  const node = assembleNode(
    {
      ...{ disk, clock, ids, log, faults: noFaults },
      stack: { name: 'host', database, app },
      probe: { get: async () => ({ outcome: 'silent', detail: 'nobody is there' }) },
      notifier: { announce: (announcement) => announced.push(announcement) },
      connectPeer: lostPeer,
    },
    { settings, state, backups, ballast: new Ballast(disk, directory), journal },
  );
  node.local.opened = role === 'primary';
  if (role === 'primary' && options.stateFrom === undefined) await serve(node, database, app);
  return {
    ...{ node, database, app, logged, announced, directory },
    remove: async () => {
      await node.runner.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
};

const serve = async (node: Node, database: FakeDatabase, app: FakeApp): Promise<void> => {
  const marker = { lineage: LINEAGE, epoch: 1, backup: null, served: true };
  database.databases.set(NAME, { rows: { 'public.entries': 3 }, marker });
  await node.state.update({ lineage: LINEAGE });
  app.runs = true;
  await noteProven(node, 'APP_HEALTH_URL', true);
  node.local.app = { value: await app.check(), at: node.clock.now() };
};
