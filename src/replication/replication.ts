import type { Rejected } from '../backups/catalog.js';
import type { Manifest } from '../domain/manifest.js';
import type { ReplicationStatus } from '../domain/replication.js';
import type { Steps } from '../engine/operation.js';

/** The data that a takeover would start from now. */
export interface Lag {
  /** Null when it would start from the replica. */
  backup: Manifest | null;
  /** Milliseconds since this data was last known to be current. */
  age: number;
  /** Whether it is restored already, so that a takeover only has to open it. */
  isPrepared: boolean;
  /** Why the last try to restore it failed; null when it was not tried or succeeded. */
  unusable: string | null;
  /** What would be lost, as a sentence. It names newer backups that could not be restored. */
  loss: string;
}

export interface TakeOverRequest {
  /** The epoch that this node means to take. */
  epoch: number;
  /** The loss that older data means is accepted. */
  force: boolean;
  /** The backup that was dumped in this operation after the last write. */
  complete?: string | undefined;
  /** Where the log of the old primary ends, which was stopped after its last write: a replica that has it has all. */
  position?: string | undefined;
  /** Backups that this operation could not restore so far. `takeOver` adds to it. */
  rejected?: Rejected[];
  /** Only `complete` may be used: an older backup would lose acknowledged writes. */
  isHandover?: boolean;
}

/** A verified database that has had no write yet. */
export interface TakenOver {
  /** Null when it is the replica. */
  backup: Manifest | null;
  /** What is lost, as a sentence. */
  loss: string;
}

/** What holds every write of a frozen primary: a backup, or the log up to a place. */
export interface Final {
  backup: string | null;
  position: string | null;
}

/** A background task that keeps the standby up to date. */
interface BackgroundTask {
  name: string;
  run(): Promise<void>;
}

/** The methods that run steps. */
type Stepped = 'finalSync' | 'takeOver' | 'afterTakeOver' | 'standBy';

/** How the standby gets the primary's data: by dumps, or as a replica with dumps as the second line. */
export interface Replication {
  /** The names of the steps of each method that runs some, in their order. */
  readonly steps: Readonly<Record<Stepped, readonly string[]>>;
  /** Background tasks besides the scheduled backups. */
  readonly tasks: readonly BackgroundTask[];
  /** What a takeover would start from now; undefined when there is nothing. Cheap to call. */
  lag(): Lag | undefined;
  /**
   * What a takeover would lose without a last dump of the old primary, as a sentence.
   * @throws Refused `no-backup`, `backup-too-old`, `backup-unusable`
   */
  assessLoss(force: boolean, rejected?: readonly Rejected[]): string;
  /** For a primary that is about to be frozen: does what can be done before, so that users wait less. */
  beforeFreeze?(signal: AbortSignal): Promise<void>;
  /** For a frozen primary: brings every write to the peer. With a `position`, its database is stopped. */
  finalSync(steps: Steps): Promise<Final>;
  /**
   * The same without a dump, for a last rescue. Undefined when that is not possible; a dump is then due. Absent where it
   * never is.
   */
  drain?(steps: Steps): Promise<string | undefined>;
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
  /** Makes the database of a standby what it has to be when nothing runs: stopped, or a replica. */
  standBy(steps: Steps): Promise<void>;
  /** Whether the database of a standby has to run. Absent: never. */
  keepsDatabase?(): boolean;
  /** Looks how far the replication is, for `status`. Never throws. */
  look?(): Promise<void>;
  /** Absent where the status has nothing to say about it. */
  status?(): ReplicationStatus;
}
