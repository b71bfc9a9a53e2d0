import type { Manifest } from '../domain/manifest.js';
import type { Steps } from '../engine/operation.js';

/** From what a takeover would start now. */
export interface Lag {
  backup: Manifest;
  /** Milliseconds since everything was known to be here. */
  age: number;
  /** Whether it lies restored, so that a takeover has only to open it. */
  isPrepared: boolean;
  /** What would be lost, in words. */
  loss: string;
}

export interface TakeOverRequest {
  /** The epoch that this node means to take. */
  epoch: number;
  /** Who asked accepts the loss that older data means. */
  force: boolean;
  /** The backup that was dumped in this very operation after the last write. */
  complete?: string | undefined;
  /** Nothing but `complete` will do: what came after an older backup was acknowledged. */
  isHandover?: boolean;
}

/** A database that is proven and waits for its first write. */
export interface TakenOver {
  backup: Manifest;
  /** What is lost, in words. */
  loss: string;
}

/** Something that keeps the standby up to date by itself. */
interface BackgroundTask {
  name: string;
  run(): Promise<void>;
}

/** How the standby gets the primary's data. Today by dumps. */
export interface Replication {
  /** The names of the steps of `finalSync` and `takeOver`, in their order. */
  readonly steps: { readonly finalSync: readonly string[]; readonly takeOver: readonly string[] };
  /** What keeps the standby up to date beside the schedule of backups. */
  readonly tasks: readonly BackgroundTask[];
  /** What a takeover would start from now; undefined when there is nothing. Cheap. */
  lag(): Lag | undefined;
  /**
   * What a takeover by itself, without a last word of the old primary, would lose, in words.
   * @throws Refused `no-backup`, `backup-too-old`, `backup-unusable`
   */
  assessLoss(force: boolean): string;
  /**
   * On a primary whose writes are refused: everything that was written is at the peer when it resolves.
   * Resolves to the backup that holds it.
   */
  finalSync(steps: Steps): Promise<string>;
  /**
   * Makes this node's database the newest state that can be proven, ready for its first write. What was there before is
   * kept. @throws Refused `no-backup`, `backup-too-old`, `backup-unusable`; ColdspareError of the database
   */
  takeOver(steps: Steps, request: TakeOverRequest): Promise<TakenOver>;
  /**
   * What a node that has lost its role does with its own database. Safe to repeat. Resolves to what it did, in words;
   * undefined when there was nothing to do.
   */
  rejoin(signal: AbortSignal): Promise<string | undefined>;
}
