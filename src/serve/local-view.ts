import type { ColdspareError } from '../domain/errors.js';
import type { Marker } from '../domain/marker.js';
import type { Seen } from '../peer/peer-view.js';
import type { ProbeResult } from '../ports/probe.js';

/** What this node saw last of its own app and database. */
export interface LocalView {
  app: Seen<ProbeResult> | undefined;
  database: Seen<{ answers: boolean; marker: Marker | undefined }> | undefined;
  /** This agent has opened the database to the app since it started: before, an app that answers is somebody else's. */
  opened: boolean;
  /** What the guard said when it stopped, the last time, an app that somebody else had started. */
  foreignApp: Seen<string> | undefined;
  /** Why a standby could not restore a backup for lack of free space; null when there was enough the last time. */
  noRoom: ColdspareError | null;
  /** Why the certificate files as they are now cannot be used; null when they are in use. */
  certificateError: ColdspareError | null;
}

export const newLocalView = (): LocalView => ({
  app: undefined,
  database: undefined,
  opened: false,
  foreignApp: undefined,
  noRoom: null,
  certificateError: null,
});
