import type { Readable, Writable } from 'node:stream';
import type { DatabaseGlobals, Inventory, Manifest } from '../domain/manifest.js';
import type { Marker } from '../domain/marker.js';
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
  /** What the database takes on disk. */
  databaseBytes: number;
  /** `Database.fingerprint` of the dumped snapshot; undefined when it is unknown. */
  fingerprint?: string | undefined;
  surroundings: DatabaseGlobals;
}

/** A database beside the live one: `incoming` is to take its place, `drill` is looked at and then dropped. */
export type Staging = 'incoming' | 'drill';

export interface RestoreOptions {
  /** Default: `incoming`. */
  staging?: Staging;
  /** Gives every other program on the machine priority. */
  gently?: boolean;
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
  /** `exists: false` when the service has no database of the configured name. */
  live(): Promise<{ exists: boolean; marker: Marker | undefined }>;
  /** Writes the marker of the live database. */
  mark(marker: Marker): Promise<void>;
  /** Rows, sequences and large objects of the live database, or of a staging one, counted in one snapshot. */
  inventory(of?: Staging): Promise<Inventory>;
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
   * @throws ColdspareError `backup-unusable` when the content cannot be restored as a whole
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
  /** Drops a database that `others` names. */
  drop(name: string): Promise<void>;
  /** Refuses writes from now on and ends every session that could be writing. Survives a restart of the service. Safe to repeat. */
  freeze(): Promise<void>;
  /** Takes `freeze` back. Safe to repeat. */
  thaw(): Promise<void>;
  /** A number that grows with every row written to the live database; equal numbers mean nobody wrote. */
  writes(): Promise<bigint>;
}

/** The application, as one service. */
export interface App {
  /**
   * Makes everything ready for `start` that can be, short of running it. Safe to repeat. Absent where there is nothing
   * to make. @throws ColdspareError `app-failed` when it could not be started either
   */
  create?(signal: AbortSignal): Promise<void>;
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

export interface Stack {
  readonly name: 'compose' | 'host' | 'embedded';
  readonly database: Database;
  readonly app: App;
  /**
   * Takes from app and database what would start them without the agent (rule 8), such as a container's restart
   * policy. They are not disturbed. Safe to repeat. Resolves to the names of what it was taken from. Absent where
   * nothing of the kind exists. @throws ColdspareError
   */
  disarm?(): Promise<string[]>;
}
