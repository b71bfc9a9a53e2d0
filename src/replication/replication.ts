import type { Rejected } from '../backups/catalog.js';
import type { Manifest } from '../domain/manifest.js';
import type { Steps } from '../engine/operation.js';

/** The data that a takeover would start from now. */
export interface Lag {
  backup: Manifest;
  /** Milliseconds since this data was last known to be current. */
  age: number;
  /** Whether it is restored already, so that a takeover only has to open it. */
  isPrepared: boolean;
  /** What would be lost, as a sentence. */
  loss: string;
}

export interface TakeOverRequest {
  /** The epoch that this node means to take. */
  epoch: number;
  /** The loss that older data means is accepted. */
  force: boolean;
  /** The backup that was dumped in this operation after the last write. */
  complete?: string | undefined;
  /** Backups that this operation could not restore so far. `takeOver` adds to it. */
  rejected?: Rejected[];
  /** Only `complete` may be used: an older backup would lose acknowledged writes. */
  isHandover?: boolean;
}

/** A verified database that has had no write yet. */
export interface TakenOver {
  backup: Manifest;
  /** What is lost, as a sentence. */
  loss: string;
}

/** A background task that keeps the standby up to date. */
interface BackgroundTask {
  name: string;
  run(): Promise<void>;
}

/** How the standby gets the primary's data. Today by dumps. */
export interface Replication {
  /** The names of the steps of `finalSync`, `takeOver` and `afterTakeOver`, in their order. */
  readonly steps: Readonly<Record<'finalSync' | 'takeOver' | 'afterTakeOver', readonly string[]>>;
  /** Background tasks besides the scheduled backups. */
  readonly tasks: readonly BackgroundTask[];
  /** What a takeover would start from now; undefined when there is nothing. Cheap to call. */
  lag(): Lag | undefined;
  /**
   * What a takeover would lose without a last dump of the old primary, as a sentence.
   * @throws Refused `no-backup`, `backup-too-old`, `backup-unusable`
   */
  assessLoss(force: boolean, rejected?: readonly Rejected[]): string;
  /**
   * For a frozen primary: brings every write to the peer. Resolves to the id of the backup that holds them.
   */
  finalSync(steps: Steps): Promise<string>;
  /**
   * Makes the newest state that can be verified this node's database. The database before is kept.
   * @throws Refused `no-backup`, `backup-too-old`, `backup-unusable`; ColdspareError of the database
   */
  takeOver(steps: Steps, request: TakeOverRequest): Promise<TakenOver>;
  /** Cleans up once the new primary serves. Never fails the takeover. */
  afterTakeOver(steps: Steps): Promise<void>;
  /**
   * Sets the database of a superseded node aside if it may hold writes of its own. Safe to repeat. Resolves to what was
   * done, as a sentence; undefined when there was nothing to do.
   */
  rejoin(signal: AbortSignal): Promise<string | undefined>;
}
