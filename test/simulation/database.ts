import { randomUUID } from 'node:crypto';
import type { Readable, Writable } from 'node:stream';
import { drillName, incomingName } from '../../src/domain/database-names.js';
import { ColdspareError } from '../../src/domain/errors.js';
import type { Inventory, Manifest } from '../../src/domain/manifest.js';
import type { Marker } from '../../src/domain/marker.js';
import type { Database, Staging } from '../../src/ports/stack.js';
import type { Life } from './life.js';
import type { Random } from './random.js';

export const DATABASE_NAME = 'shop';
export const INCOMING = incomingName(DATABASE_NAME);
const STAGING: Record<Staging, string> = {
  incoming: INCOMING,
  drill: drillName(DATABASE_NAME),
};

/** What the app's start-up migration puts into a database without tables. */
export const SEEDS = [-1, -2, -3];

const HEADER = '-- simulated dump';
const TABLE = 'CREATE TABLE orders';
const TRAILER = '-- simulated dump complete';

/** One database of a server. A row is the number of the write that made it; seeds are negative. */
export interface Contents {
  rows: Set<number>;
  hasTables: boolean;
  marker: Marker | undefined;
  isFrozen: boolean;
  /** Rows ever written. */
  writes: number;
  /** The restore that made it came to its end. */
  isWhole: boolean;
  /** No other one has it. */
  id: string;
}

export const newContents = (rows: Iterable<number> = []): Contents => {
  const set = new Set(rows);
  return {
    rows: set,
    hasTables: set.size > 0,
    marker: undefined,
    isFrozen: false,
    writes: set.size,
    isWhole: true,
    id: randomUUID(),
  };
};

/** A machine's database server. What it holds survives its end, as with a write-ahead log. */
export class ServerImage {
  readonly databases = new Map<string, Contents>();
  isRunning = false;
  /** It cannot be started. */
  isBroken = false;
  /** Which run of it this is: a connection lasts no longer. */
  run = 0;

  get live(): Contents | undefined {
    return this.databases.get(DATABASE_NAME);
  }

  get takesWrites(): boolean {
    return this.isRunning && this.live !== undefined && !this.live.isFrozen;
  }

  start(): void {
    if (this.isRunning) return;
    this.isRunning = true;
    this.run += 1;
  }

  stop(): void {
    this.isRunning = false;
  }
}

const fingerprintOf = ({ run }: ServerImage, { writes, marker }: Contents): string =>
  JSON.stringify([run, writes, marker]);

/** Told of what cannot be taken back; for checking it. Called before the change. */
export interface DatabaseWatch {
  dumped(content: string): void;
  restored(content: string, manifest: Manifest, rows: Set<number>): void;
  drilled(content: string, manifest: Manifest): void;
  swapping(marker: Marker): void;
  settingAside(): void;
  dropping(name: string): void;
}

/** How well a machine does today. */
export interface Health {
  /** How many times slower than usual. */
  slowness: number;
  /** How likely any single command fails. */
  sickness: number;
}

/** The database as one run of an agent has it. */
export const createDatabase = (
  server: ServerImage,
  health: Health,
  life: Life,
  random: Random,
  watch: DatabaseWatch,
): Database => {
  /** Milliseconds that something of this size takes today. */
  const span = (least: number, most: number) => random.between(least, most) * health.slowness;

  /** One command to the server over one connection. */
  const ask = async <T>(effect: () => T, ms = span(2, 40), signal?: AbortSignal): Promise<T> => {
    const { run } = server;
    if (!server.isRunning) {
      await life.pause(span(5, 50));
      throw unreachable();
    }
    const isSick = random.chance(health.sickness);
    const checked = () => {
      if (!server.isRunning || server.run !== run) throw unreachable();
      if (isSick) throw failed();
      return effect();
    };
    return life.perform({ ms, effect: checked, signal, outlives: 'later' });
  };
  const live = (): Contents => {
    if (server.live === undefined) throw failed(`database "${DATABASE_NAME}" does not exist`);
    return server.live;
  };
  const laid = (name: string): Contents => {
    const contents = server.databases.get(name);
    if (contents === undefined) throw failed(`database "${name}" does not exist`);
    return contents;
  };
  const setFrozen = (isFrozen: boolean) =>
    ask(() => {
      live().isFrozen = isFrozen;
    });

  return {
    start: async (signal) => {
      signal.throwIfAborted();
      if (server.isRunning) return life.pause(span(2, 20));
      await life.perform({
        ms: span(200, 4_000),
        signal,
        outlives: 'later',
        effect: () => {
          if (server.isBroken || random.chance(health.sickness)) throw unreachable();
          server.start();
        },
      });
    },
    stop: (signal) =>
      life.perform({ ms: span(50, 2_000), effect: () => server.stop(), signal, outlives: 'later' }),
    answers: async () => {
      await life.pause(span(1, 20));
      return server.isRunning;
    },
    live: () =>
      ask(() => {
        const { live: now } = server;
        if (now === undefined) return { exists: false, marker: undefined };
        const position = { database: now.id, log: `${now.writes}` };
        return { exists: true, marker: now.marker, position };
      }),
    mark: (marker) =>
      ask(() => {
        live().marker = marker;
      }),
    inventory: (of) => ask(() => count(of === undefined ? live() : laid(STAGING[of]))),
    fingerprint: () => ask(() => fingerprintOf(server, live())),
    dump: async (sink, signal) => {
      const { run } = server;
      const { text, facts } = await ask(() => {
        const contents = live();
        const text = dumpText(contents);
        watch.dumped(text);
        return {
          text,
          facts: {
            format: 'custom' as const,
            serverVersion: '15.0',
            marker: contents.marker,
            inventory: count(contents),
            databaseBytes: text.length,
            fingerprint: fingerprintOf(server, contents),
            surroundings: SURROUNDINGS,
          },
        };
      });
      try {
        for (const chunk of halves(text)) {
          await life.pause(span(50, 1_500), signal);
          if (!server.isRunning || server.run !== run) throw unreachable();
          await write(sink, chunk);
        }
      } catch (error) {
        sink.destroy();
        throw error;
      }
      sink.end();
      return facts;
    },
    restore: async (content, manifest, signal, { staging = 'incoming' } = {}) => {
      const { run } = server;
      const name = STAGING[staging];
      const incoming = { ...newContents(), isWhole: false };
      await ask(() => void server.databases.set(name, incoming), span(20, 200));
      const text = await readAll(content);
      for (const part of halves(text)) {
        await life.pause(span(50, 2_000), signal);
        if (!server.isRunning || server.run !== run) throw unreachable();
        if (random.chance(health.sickness)) throw failed();
        for (const row of rowsIn(part)) incoming.rows.add(row);
        incoming.hasTables = text.includes(TABLE);
      }
      if (!text.endsWith(`${TRAILER}\n`)) {
        server.databases.delete(name);
        throw unusable(manifest);
      }
      incoming.isWhole = true;
      if (staging === 'drill') watch.drilled(text, manifest);
      else watch.restored(text, manifest, incoming.rows);
    },
    answer: (_sql, _timeout, signal) =>
      ask(() => laid(STAGING.drill).hasTables, span(2, 400), signal),
    discard: (staging = 'incoming') => ask(() => void server.databases.delete(STAGING[staging])),
    swap: (marker, keepAs) =>
      ask(
        () => {
          const incoming = laid(INCOMING);
          watch.swapping(marker);
          const before = server.live;
          if (before !== undefined) server.databases.set(keepAs, before);
          server.databases.delete(INCOMING);
          server.databases.set(DATABASE_NAME, { ...incoming, marker, isFrozen: true });
          return { kept: before !== undefined };
        },
        span(20, 300),
      ),
    setAside: (keepAs) =>
      ask(() => {
        const before = server.live;
        if (before === undefined) return;
        watch.settingAside();
        server.databases.delete(DATABASE_NAME);
        server.databases.set(keepAs, before);
      }),
    freeSpace: async () => 1024 ** 4,
    others: () =>
      ask(() => [...server.databases.keys()].filter((name) => name !== DATABASE_NAME).sort()),
    drop: (name) =>
      ask(() => {
        watch.dropping(name);
        server.databases.delete(name);
      }),
    freeze: () => setFrozen(true),
    thaw: () => setFrozen(false),
    writes: () => ask(() => BigInt(live().writes)),
    // A crash resets what PostgreSQL counts.
    usage: () => ask(() => `${server.run} ${live().writes}`),
  };
};

const SURROUNDINGS = {
  encoding: 'UTF8',
  collate: 'C',
  ctype: 'C',
  owner: 'postgres',
  settings: {},
  roles: [],
};

const count = ({ rows, hasTables }: Contents): Inventory => ({
  rows: hasTables ? { 'public.orders': rows.size } : {},
  sequences: {},
  largeObjects: 0,
});

const dumpText = ({ rows, hasTables }: Contents): string =>
  `${[HEADER, ...(hasTables ? [TABLE] : []), ...rows, TRAILER].join('\n')}\n`;

/** The rows of a dump, or of a part of one. */
export const rowsIn = (text: string): number[] =>
  text
    .split('\n')
    .filter((line) => /^-?\d+$/.test(line))
    .map(Number);

/** Cut at a line's end, so that each half is rows of its own. */
const halves = (text: string): string[] => {
  const middle = text.indexOf('\n', text.length / 2) + 1;
  return [text.slice(0, middle), text.slice(middle)];
};

const write = (sink: Writable, text: string): Promise<void> =>
  new Promise((resolve, reject) => {
    sink.write(Buffer.from(text), (error) => (error ? reject(sink.errored ?? error) : resolve()));
  });

const readAll = async (content: Readable): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of content) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
};

const unreachable = (): ColdspareError =>
  new ColdspareError(
    'database-unreachable',
    'the database server does not answer',
    'look at the database server of this machine',
  );

const failed = (why = 'the database server has refused'): ColdspareError =>
  new ColdspareError('database-failed', why, 'look at the database server of this machine');

const unusable = ({ id }: Manifest): ColdspareError =>
  new ColdspareError('backup-unusable', `${id} is cut`, 'the next older backup is used');
