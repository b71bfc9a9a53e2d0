import { join } from 'node:path';
import { z } from 'zod';
import { drillRecordSchema } from '../domain/drill.js';
import { ColdspareError } from '../domain/errors.js';
import {
  pauseSchema,
  promotionSchema,
  proofSchema,
  pushSchema,
  yieldingSchema,
} from '../domain/status.js';
import { modeSchema, type Parity, type RoleEvent, transition } from '../domain/transitions.js';
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
      /** Count of rows written by then; null when they were not counted. */
      writes: z.string().nullable().default(null),
    })
    .nullable(),
  promotion: promotionSchema.nullable(),
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
  unusable: z.object({ backup: z.string(), error: z.string() }).nullable().default(null),
  /** The backup that is restored already, so that a promote only has to open it; null when there is none. */
  prepared: z.string().nullable().default(null),
  /** When the newest backup was last found to hold everything in the database. */
  confirmed: z.object({ backup: z.string(), at: moment }).nullable().default(null),
  lastDrill: drillRecordSchema.nullable().default(null),
  /** A drill has started and was not cleaned up yet. */
  drillLeftovers: z.boolean().default(false),
  pause: pauseSchema.nullable(),
  /** Announced conditions that have not ended: each event with its variants (background/alarms.ts). */
  announced: z.record(z.string(), z.array(z.string())).default({}),
  push: pushSchema,
});
export type StateData = z.infer<typeof stateSchema>;

/** What a role event may change besides mode and epoch. */
export type StateChanges = Partial<
  Omit<StateData, 'version' | 'mode' | 'epoch' | 'parity' | 'since'>
>;

/** The durable state of a node, such as its role and epoch. It is one file that is replaced as a whole. */
export class NodeState {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #now: () => number;
  #data: StateData;
  #writing: Promise<unknown> = Promise.resolve();

  private constructor(disk: Disk, path: string, now: () => number, data: StateData) {
    this.#disk = disk;
    this.#path = path;
    this.#now = now;
    this.#data = data;
  }

  /**
   * Reads the state of `directory`, or writes the first one.
   * @throws ColdspareError `internal` when the file cannot be read as state: it is never guessed or replaced
   */
  static async open(
    disk: Disk,
    directory: string,
    initialRole: 'primary' | 'standby',
    now: () => number,
  ): Promise<NodeState> {
    const path = join(directory, 'state.json');
    const text = await disk.read(path);
    if (text !== undefined) return new NodeState(disk, path, now, parseState(path, text));
    const first = initialState(initialRole, now());
    await disk.write(path, JSON.stringify(first, null, 2));
    return new NodeState(disk, path, now, first);
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

  /** Changes anything but the role. */
  async update(changes: StateChanges): Promise<void> {
    await this.#write((data) => ({ ...data, ...changes }));
  }

  /** Resolves to a sequence number that no other backup of this epoch has. */
  async nextSequence(): Promise<number> {
    await this.#write((data) => ({ ...data, sequence: data.sequence + 1 }));
    return this.#data.sequence;
  }

  /** Runs changes one after the other, so that each one sees the one before it. */
  async #write(change: (data: StateData) => StateData): Promise<void> {
    const write = this.#writing.then(async () => {
      const next = change(this.#data);
      await this.#disk.write(this.#path, JSON.stringify(next, null, 2));
      this.#data = next;
    });
    this.#writing = write.catch(() => {});
    await write;
  }
}

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

const parseState = (path: string, text: string): StateData => {
  try {
    return stateSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new ColdspareError(
      'internal',
      `${path} is not a state file of this version`,
      `restore it from a copy, or move it away to start over with INITIAL_ROLE; the peer's role decides first`,
      { cause },
    );
  }
};
