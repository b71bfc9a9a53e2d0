import type { Duplex, Readable, Writable } from 'node:stream';
import type {
  DatabaseGlobals,
  DatabaseRole,
  Inventory,
  Manifest,
  Position,
  Values,
} from '../domain/manifest.js';
import type { Marker } from '../domain/marker.js';
import type { Cluster } from './cluster.js';
import type { ProbeResult } from './probe.js';

/** The value of the error of a dump that made way for others: it may be tried again. */
export const BLOCKED = 'blocked';

/** What `dump` found in the one snapshot it was taken from. */
export interface DumpFacts {
  format: Manifest['format'];
  serverVersion: string;
  /** The marker of the dumped database; undefined when it is not one of ours. */
  marker: Marker | undefined;
  inventory: Inventory;
  /** Undefined where they cannot be read. */
  values?: Values | undefined;
  /** What the database takes on disk. */
  databaseBytes: number;
  /** `Database.fingerprint` of the dumped snapshot; undefined when it is unknown. */
  fingerprint?: string | undefined;
  surroundings: DatabaseGlobals;
}

/** The live database as it is now. */
export interface LiveDatabase {
  /** False when the service has no database of the configured name. */
  exists: boolean;
  /** Undefined when it carries none. */
  marker: Marker | undefined;
  /** Absent where it cannot be read. */
  position?: Position | undefined;
}

/** A database beside the live one: `incoming` is to take its place, `drill` is looked at and then dropped. */
export type Staging = 'incoming' | 'drill';

export interface RestoreOptions {
  /** Default: `incoming`. */
  staging?: Staging;
  /** Gives every other program on the machine priority. */
  gently?: boolean;
  /** Goes on without indexes, constraints, triggers and contents of materialized views that cannot be made. */
  incomplete?: boolean;
  /** Gets what a person should know about the restore, as sentences. */
  note?(text: string): void;
}

/**
 * One PostgreSQL database and the service that runs it. "Live" is the database the app uses; "incoming" is
 * where a restore goes until it is proven. Every method ends within its own deadline or when the signal is
 * aborted. Unless said otherwise, methods throw ColdspareError `database-unreachable` when the service does not
 * answer and `database-failed` when it refuses.
 */
export interface Database {
  /** Starts the service and returns once a real query over TCP is answered. Safe to repeat. */
  start(signal: AbortSignal): Promise<void>;
  /** Stops the service. Safe to repeat. */
  stop(signal: AbortSignal): Promise<void>;
  /** Whether a real query over TCP is answered now. Never throws. */
  answers(): Promise<boolean>;
  live(): Promise<LiveDatabase>;
  /** Writes the marker of the live database. */
  mark(marker: Marker): Promise<void>;
  /** Rows, sequences and large objects of the live database, or of a staging one, counted in one snapshot. */
  inventory(of?: Staging): Promise<Inventory>;
  /** What a count does not show of the drill database, to be compared with its dump. Absent where it cannot be read. */
  values?(): Promise<Values | undefined>;
  /**
   * As long as it stays the same, nothing in the live database has changed. It may also change without a reason.
   * Undefined where it cannot be read.
   */
  fingerprint(): Promise<string | undefined>;
  /**
   * Dumps the live database into `sink`, which it ends. What it returns was read in the dump's own snapshot.
   * @throws ColdspareError `database-failed`, of value `BLOCKED` when it made way for others
   */
  dump(sink: Writable, signal: AbortSignal): Promise<DumpFacts>;
  /**
   * Restores `content` beside the live database, in place of an earlier one there. The live one is not touched.
   * @throws ColdspareError `backup-unusable` when the content cannot be restored as a whole, `not-restorable` when the
   * database refuses an object of it
   */
  restore(
    content: Readable,
    manifest: Manifest,
    signal: AbortSignal,
    options?: RestoreOptions,
  ): Promise<void>;
  /**
   * The one value that `sql` gives in the drill database, where it can change nothing and has `timeout` milliseconds.
   * @throws ColdspareError `database-failed` when it is refused, or gives anything but one row of one column
   */
  answer(sql: string, timeout: number, signal: AbortSignal): Promise<unknown>;
  /** Drops a staging database (default: `incoming`). No error when there is none. */
  discard(staging?: Staging): Promise<void>;
  /**
   * Makes the incoming database the live one, with `marker` and frozen, in one transaction; the one before is kept
   * as `keepAs`. Ends open sessions. Resolves to whether there was one to keep.
   */
  swap(marker: Marker, keepAs: string): Promise<{ kept: boolean }>;
  /** Renames the live database to `keepAs`, so that there is no live one. No error when there is none. */
  setAside(keepAs: string): Promise<void>;
  /** Free bytes on the disk of the databases; undefined when they cannot be read. Never throws. */
  freeSpace(): Promise<number | undefined>;
  /** Names of all databases beside the live one. */
  others(): Promise<string[]>;
  /** What a backup of the live database leaves behind on its server, by name. Absent where nobody can tell. */
  uncarried?(): Promise<string[]>;
  /** What of a backup's roles is otherwise on this server, and what else stands in its way, by name. */
  differences?(roles: readonly DatabaseRole[]): Promise<string[]>;
  /** Drops a database that `others` names. */
  drop(name: string): Promise<void>;
  /** Refuses writes from now on and ends every session that could be writing. Survives a restart of the service. Safe to repeat. */
  freeze(): Promise<void>;
  /** Takes `freeze` back. Safe to repeat. */
  thaw(): Promise<void>;
  /** A number that grows with every row written to the live database; equal numbers mean nobody wrote. */
  writes(): Promise<bigint>;
  /**
   * As long as it stays the same, nobody has written a row to the live database or changed its schema. It may change
   * without a reason, such as after a crash. Unlike `writes` it disturbs nobody, and so may be late: what a session has
   * written counts from a second later or its end on. Undefined where that is not known.
   */
  usage(): Promise<string | undefined>;
}

/** Names of images, by the part of the app that runs from them. */
export type Images = Readonly<Record<string, string>>;

/** What a start of the app would find now. */
interface StartCheck {
  /** The images that its parts were made from last. */
  images: Images;
  /** What `start` keeps, or cannot keep, although it is configured otherwise, in words. */
  kept: string[];
}

/** The application, as one service. */
export interface App {
  /**
   * Makes everything ready for `start` that can be, short of running it. Safe to repeat. Absent where there is nothing
   * to make. @throws ColdspareError `app-failed` when it could not be started either
   */
  create?(signal: AbortSignal): Promise<void>;
  /**
   * Looks whether everything is on this machine that `start` needs, such as images. Changes nothing. `primary` is what
   * the other node runs from while that one serves; the next start keeps to it. Absent where nobody can tell.
   * @throws ColdspareError `app-failed` with what is missing, or why nobody can look
   */
  assertStartable?(primary?: Images): Promise<StartCheck>;
  /** Starts it; returns when the service manager says so, which may be before it answers. Safe to repeat. @throws ColdspareError `app-failed` */
  start(signal: AbortSignal): Promise<void>;
  /** Stops it; returns when it is down. Safe to repeat. @throws ColdspareError `app-failed` when it is still up */
  stop(signal: AbortSignal): Promise<void>;
  /** Whether anything of it still runs, healthy or not. */
  isRunning(): Promise<boolean>;
  /**
   * Whether no part of it is missing or has failed; one that ended well has done its work. An app can answer without
   * its workers. Absent where nobody can tell.
   */
  isFullyRunning?(): Promise<boolean>;
  /** Its health URL, once. Never throws. */
  check(): Promise<ProbeResult>;
}

export type Role = 'primary' | 'standby';

export interface Stack {
  readonly name: 'compose' | 'host' | 'embedded';
  readonly database: Database;
  readonly app: App;
  /** Present with REPLICATION=stream. */
  readonly cluster?: Cluster;
  /**
   * Takes from app and database what would start them without the agent (rule 8), such as a container's restart
   * policy. They are not disturbed. Safe to repeat. Resolves to the names of what it was taken from. Absent where
   * nothing of the kind exists. @throws ColdspareError
   */
  disarm?(): Promise<string[]>;
  /**
   * Runs what this node's owner wants to be done at a change of role, once for each change. The first call only takes
   * note of the role. Resolves to whether it had changed. @throws ColdspareError `command-failed`, `timed-out`
   */
  onRole?(role: Role, epoch: number, signal: AbortSignal): Promise<boolean>;
  /** Takes note of the role and runs nothing, because its app runs already. */
  noteRole?(role: Role, epoch: number): Promise<void>;
  /**
   * Connects to the database's port for a replica of it, as PostgreSQL's own tools reach it on this machine. Absent where
   * no replica can follow. @throws ColdspareError `database-unreachable`, or the signal's reason
   */
  openReplication?(signal: AbortSignal): Promise<Duplex>;
  /** What other services keep that no backup carries, such as queues, by name. Absent where nobody can tell. */
  uncarried?(): Promise<string[]>;
}
