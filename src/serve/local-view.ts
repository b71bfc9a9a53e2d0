import type { ColdspareError } from '../domain/errors.js';
import type { Marker } from '../domain/marker.js';
import type { OperationKind, OperationRecord } from '../domain/operation.js';
import type { Seen } from '../peer/peer-view.js';
import type { DiskSpace } from '../ports/disk.js';
import type { ProbeResult } from '../ports/probe.js';
import type { Images } from '../ports/stack.js';

/** A start of what had served before. `at` is milliseconds since 1970. */
export interface Restart {
  at: number;
  reason: string;
}

/** The last observations of this node's own app and database. */
export interface LocalView {
  app: Seen<ProbeResult> | undefined;
  database: Seen<{ answers: boolean; marker: Marker | undefined }> | undefined;
  /** Whether this agent has opened the database since its start. Before that, an app that answers was started by others. */
  opened: boolean;
  /** `clock.elapsed()` when a node whose state is in doubt has last tried to find its role; undefined before that. */
  lookedForRoleAt: number | undefined;
  /** Why the last start of the database and the app failed; null when it worked. */
  startError: { message: string; remedy: string } | null | undefined;
  /** Why the guard last stopped an app that somebody else had started. */
  foreignApp: Seen<string> | undefined;
  /** When the role goes back by itself, as milliseconds since 1970, and why not sooner; undefined when that is not due. */
  failback: { at: number | null; because: string } | undefined;
  /** Of the fuller one of the file systems of STATE_DIR and BACKUP_DIR, in bytes. */
  diskSpace: Seen<DiskSpace> | undefined;
  /** Why a standby could not restore a backup for lack of free space; null when the last check found enough. */
  noRoom: ColdspareError | null | undefined;
  /** Milliseconds for which the last dump that was sent showed no progress. A rescue gives up after RESCUE_TIMEOUT. */
  dumpSilence: number | undefined;
  /** Why the app could not be started now; null when the last look found everything that its start needs. */
  unstartable: ColdspareError | null | undefined;
  /** What the parts of the app were made from last. */
  images: Images | undefined;
  /** What a start of the app keeps although it is configured otherwise now. */
  kept: string[] | undefined;
  /** Why the app could not be made ready when that was tried last; null when it could. */
  uncreated: ColdspareError | null | undefined;
  /** Why the present certificate files cannot be used; null when they are in use. */
  certificateError: ColdspareError | null | undefined;
  /** What a takeover leaves behind on this server, by name; undefined before the first look. */
  uncarried: string[] | undefined;
  /** Why the command for the last change of role failed; undefined when it did not. */
  hookError: ColdspareError | undefined;
  /** How often the agent has started again what had served, oldest first. */
  restarts: readonly Restart[];
  /** What each kind of operation came to when it was tried last. */
  latest: Partial<Record<OperationKind, OperationRecord>>;
}

export const newLocalView = (): LocalView => ({
  app: undefined,
  database: undefined,
  opened: false,
  lookedForRoleAt: undefined,
  startError: undefined,
  foreignApp: undefined,
  failback: undefined,
  diskSpace: undefined,
  noRoom: undefined,
  dumpSilence: undefined,
  unstartable: undefined,
  images: undefined,
  kept: undefined,
  uncreated: undefined,
  certificateError: undefined,
  uncarried: undefined,
  hookError: undefined,
  restarts: [],
  latest: {},
});
