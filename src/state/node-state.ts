import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { unservedSchema } from '../domain/common-cause.js';
import { drillRecordSchema } from '../domain/drill.js';
import { ColdspareError } from '../domain/errors.js';
import { doubtId } from '../domain/lost-role.js';
import { markerSchema } from '../domain/marker.js';
import { parseJson, parseJsonAs } from '../domain/parse-json.js';
import { shrunkSchema } from '../domain/shrinkage.js';
import {
  pauseSchema,
  promotionSchema,
  proofSchema,
  pushSchema,
  yieldingSchema,
} from '../domain/status.js';
import { modeSchema, type Parity, type RoleEvent, transition } from '../domain/transitions.js';
import { VERSION } from '../domain/version.js';
import type { Disk } from '../ports/disk.js';

const moment = z.iso.datetime();

const stateSchema = z.object({
  version: z.literal(1),
  mode: modeSchema,
  epoch: z.int().nonnegative(),
  parity: z.enum(['odd', 'even']),
  /** When it took this mode. */
  since: moment,
  /** Null until a database was adopted here or a first backup came in. */
  lineage: z.string().nullable(),
  /** Number of the last backup taken in this epoch. */
  sequence: z.int().nonnegative(),
  /** What a yielding node waits for: the peer's operation and the epoch that it means to take. */
  yielding: yieldingSchema
    .extend({
      /** The last backup taken while yielding: nothing was written after it. */
      finalBackup: z.string().nullable(),
      /** Where the log of the database ended, which was then stopped; absent when a backup has every write. */
      finalPosition: z.string().exactOptional(),
      /** Count of rows written by then; null when they were not counted. */
      writes: z.string().nullable().default(null),
    })
    .nullable(),
  /** The database that this node has opened last as the primary, as `Position.database` says, and its marker. */
  opened: z.object({ database: z.string(), marker: markerSchema }).optional(),
  promotion: promotionSchema.nullable(),
  /** What the database's `usage` was when nobody had used this node's last takeover: after the restore, and when the app answered. */
  unusedAt: z.array(z.string()).exactOptional(),
  /** Set from being superseded until the database is set aside or known to be in a backup. */
  standDown: z
    .object({
      epoch: z.int().positive(),
      /** As of `yielding`. */
      finalBackup: z.string().nullable(),
      writes: z.string().nullable().default(null),
    })
    .nullable(),
  /** True after an unplanned promote of the node whose first role was standby: failback is due. */
  failbackDue: z.boolean(),
  /** Times of the unplanned promotes of this node, newest last. Repeated ones make failback wait longer. */
  failovers: z.array(moment),
  /** Outcome of the trial restore of each backup that is still kept. */
  proofs: z.record(z.string(), proofSchema).default({}),
  /** The last backup that could not be restored on trial; null once a newer one could. */
  unusable: z
    .object({
      backup: z.string(),
      error: z.string(),
      /** What is at fault: the code of the error. Absent from older agents. */
      code: z.string().optional(),
    })
    .nullable()
    .default(null),
  /** The backup that is restored already, so that a promote only has to open it; null when there is none. */
  prepared: z.string().nullable().default(null),
  /** When the newest backup was last found to hold everything in the database. */
  confirmed: z.object({ backup: z.string(), at: moment }).nullable().default(null),
  /** Backups with much less than the one before, until a person has looked. Oldest first. */
  shrunk: z.array(shrunkSchema).optional(),
  lastDrill: drillRecordSchema.nullable().default(null),
  /** A drill has started and was not cleaned up yet. */
  drillLeftovers: z.boolean().default(false),
  pause: pauseSchema.nullable(),
  /** Announced conditions that have not ended: each event with its variants (background/alarms.ts). */
  announced: z.record(z.string(), z.array(z.string())).default({}),
  push: pushSchema,
  /** Set by an unplanned takeover until the app has served. */
  unserved: unservedSchema.nullable().optional(),
  /** A fingerprint of each URL of a check that has said yes when all was well (state/baseline.ts). */
  proven: z.record(z.string(), z.string()).optional(),
});
export type StateData = z.infer<typeof stateSchema>;

/** What a role event may change besides mode and epoch. */
export type StateChanges = Partial<
  Omit<StateData, 'version' | 'mode' | 'epoch' | 'parity' | 'since'>
>;

/** The durable state of a node, such as its role and epoch. It is one file that is replaced as a whole, and a copy. */
export class NodeState {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #now: () => number;
  #data: StateData;
  #found: 'its copy' | 'nothing' | undefined;
  #writing: Promise<unknown> = Promise.resolve();

  private constructor(disk: Disk, path: string, now: () => number, data: StateData) {
    this.#disk = disk;
    this.#path = path;
    this.#now = now;
    this.#data = data;
  }

  /**
   * Reads the state of `directory`, or its copy when the file was lost or damaged. Where neither can be read, the state
   * begins anew. It is then in doubt if this node has worked before (`hasWorked`): see operations/boot/find-role.ts.
   */
  static async open(
    disk: Disk,
    directory: string,
    initialRole: 'primary' | 'standby',
    now: () => number,
    hasWorked = false,
  ): Promise<NodeState> {
    const path = join(directory, 'state.json');
    const text = await disk.read(path);
    const read = text === undefined ? undefined : parseState(path, text);
    if (read !== undefined) return new NodeState(disk, path, now, read);
    if (text !== undefined) await disk.rename(path, `${path}.unreadable`);
    const copy = parseCopy(copyOf(path), await disk.read(copyOf(path)));
    const isNew = text === undefined && copy === undefined && !hasWorked;
    const first = initialState(initialRole, now());
    const data = copy ?? (isNew ? first : inDoubt(first));
    const state = new NodeState(disk, path, now, data);
    if (!isNew) state.#found = copy === undefined ? 'nothing' : 'its copy';
    await state.#save(data);
    return state;
  }

  /** What the state was read from when `state.json` was lost or damaged; undefined when it was not, or is the first. */
  get foundAgain(): 'its copy' | 'nothing' | undefined {
    return this.#found;
  }

  get current(): Readonly<StateData> {
    return this.#data;
  }

  /**
   * Changes the role as the transition table allows: first on disk, then in memory.
   * @throws ColdspareError `transition-not-allowed`
   */
  async apply(event: RoleEvent, epoch: number, changes: StateChanges = {}): Promise<void> {
    await this.#write((data) => {
      const mode = transition(data, event, epoch);
      const since = mode === data.mode ? data.since : new Date(this.#now()).toISOString();
      const sequence = epoch === data.epoch ? data.sequence : 0;
      const yielding = mode === 'yielding' ? data.yielding : null;
      // A push that failed in an earlier term does not concern the new one.
      const isNewTerm = event === 'promoted' || event === 'superseded';
      const push = isNewTerm ? { ...data.push, failingSince: null, error: null } : data.push;
      return { ...data, sequence, yielding, push, ...changes, mode, epoch, since };
    });
  }

  /** Changes anything but the role. A function gets what is on disk by then, for a change that builds on it. */
  async update(
    changes: StateChanges | ((data: Readonly<StateData>) => StateChanges),
  ): Promise<void> {
    await this.#write((data) => ({
      ...data,
      ...(typeof changes === 'function' ? changes(data) : changes),
    }));
  }

  /** Resolves to a sequence number above `known` that no other backup of this epoch has. */
  async nextSequence(known = 0): Promise<number> {
    await this.#write((data) => ({ ...data, sequence: Math.max(data.sequence, known) + 1 }));
    return this.#data.sequence;
  }

  /** Runs changes one after the other, so that each one sees the one before it. */
  async #write(change: (data: StateData) => StateData): Promise<void> {
    const write = this.#writing.then(async () => {
      const next = change(this.#data);
      await this.#save(next);
      this.#data = next;
    });
    this.#writing = write.catch(() => {});
    await write;
  }

  /** The copy is written first, so that it is never older than the state. */
  async #save(data: StateData): Promise<void> {
    const text = JSON.stringify(data, null, 2);
    await this.#disk.write(copyOf(this.#path), JSON.stringify({ sha256: sha256(text), text }));
    await this.#disk.write(this.#path, text);
  }
}

const copyOf = (path: string): string => path.replace(/\.json$/, '.copy.json');

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

const initialState = (initialRole: 'primary' | 'standby', now: number): StateData => {
  const parity: Parity = initialRole === 'primary' ? 'odd' : 'even';
  return {
    version: 1,
    mode: initialRole,
    epoch: initialRole === 'primary' ? 1 : 0,
    parity,
    since: new Date(now).toISOString(),
    lineage: null,
    sequence: 0,
    yielding: null,
    promotion: null,
    standDown: null,
    failbackDue: false,
    failovers: [],
    proofs: {},
    unusable: null,
    prepared: null,
    confirmed: null,
    lastDrill: null,
    drillLeftovers: false,
    pause: null,
    announced: {},
    push: { lastSuccessAt: null, failingSince: null, error: null },
  };
};

/** Serves nobody until it has found out what it was. An agent before this one asks its peer and then serves. */
const inDoubt = (data: StateData): StateData => ({
  ...data,
  mode: 'yielding',
  yielding: {
    ...{ operation: doubtId('lost', data.since), epoch: data.epoch + 1, cause: 'fence' },
    ...{ finalBackup: null, writes: null },
  },
});

/** Undefined when the text is damaged. @throws ColdspareError `internal` when a newer version wrote it */
const parseState = (path: string, text: string): StateData | undefined => {
  const written = parseJson(text);
  assertNotNewer(path, written);
  const parsed = stateSchema.safeParse(written);
  return parsed.success ? withUnknown(written, parsed.data) : undefined;
};

const copySchema = z.object({ sha256: z.string(), text: z.string() });

const parseCopy = (path: string, content?: string): StateData | undefined => {
  const copy = parseJsonAs(copySchema, content);
  return copy?.sha256 === sha256(copy?.text ?? '') ? parseState(path, copy?.text ?? '') : undefined;
};

/** What a node is by the words of a newer version, an older one must not guess. @throws ColdspareError `internal` */
const assertNotNewer = (path: string, written: unknown): void => {
  if (!isObject(written)) return;
  const { version, mode, parity } = stateSchema.shape;
  for (const [name, schema] of Object.entries({ version, mode, parity })) {
    const value = written[name];
    if (value === undefined || schema.safeParse(value).success) continue;
    throw new ColdspareError(
      'internal',
      `${path} says ${name} ${JSON.stringify(value)}, which version ${VERSION} does not know`,
      'start the newer version that wrote it (./scripts/deploy): it alone knows what this node has promised. Do not move the file away',
      { value },
    );
  }
};

/** `known` with the fields that only a newer version knows. It finds them again after a rollback. */
const withUnknown = <T>(written: unknown, known: T): T => {
  if (!isObject(written) || !isObject(known)) return known;
  const merged = Object.entries(known).map(([name, value]) => [
    name,
    withUnknown(written[name], value),
  ]);
  return { ...written, ...Object.fromEntries(merged) };
};

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
