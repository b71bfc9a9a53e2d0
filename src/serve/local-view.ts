import type { ColdspareError } from '../domain/errors.js';
import type { Marker } from '../domain/marker.js';
import type { Seen } from '../peer/peer-view.js';
import type { ProbeResult } from '../ports/probe.js';

/** The last observations of this node's own app and database. */
export interface LocalView {
  app: Seen<ProbeResult> | undefined;
  database: Seen<{ answers: boolean; marker: Marker | undefined }> | undefined;
  /** Whether this agent has opened the database since its start. Before that, an app that answers was started by others. */
  opened: boolean;
  /** Why the guard last stopped an app that somebody else had started. */
  foreignApp: Seen<string> | undefined;
  /** Why a standby could not restore a backup for lack of free space; null when the last check found enough. */
  noRoom: ColdspareError | null | undefined;
  /** Why the present certificate files cannot be used; null when they are in use. */
  certificateError: ColdspareError | null | undefined;
}

export const newLocalView = (): LocalView => ({
  app: undefined,
  database: undefined,
  opened: false,
  foreignApp: undefined,
  noRoom: undefined,
  certificateError: undefined,
});
