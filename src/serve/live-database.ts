import type { Marker } from '../domain/marker.js';
import type { Log } from '../ports/log.js';
import type { Notifier } from '../ports/notifier.js';
import type { LiveDatabase, Stack } from '../ports/stack.js';
import type { NodeState } from '../state/node-state.js';

export interface Reader {
  settings: { nodeName: string; databaseName: string };
  state: NodeState;
  stack: Pick<Stack, 'database'>;
  notifier: Notifier;
  log: Log;
}

/**
 * The live database of this node. Its marker is a comment, which any tool may replace (H44). When the very database that
 * this primary has opened has lost it, it gets it back, after whatever was written in its place.
 */
export const readLiveDatabase = async (node: Reader): Promise<LiveDatabase> => {
  const { database } = node.stack;
  const live = await database.live();
  const lost = lostMarker(node, live);
  if (lost === undefined) return live;
  await database.mark(lost);
  const { nodeName, databaseName } = node.settings;
  node.log.warn({ marker: lost }, 'the comment of the database was replaced; its marker is back');
  node.notifier.announce({
    event: 'marker-restored',
    severity: 'warning',
    message: `${nodeName}: somebody has replaced the comment of the database ${databaseName}, which carries coldspare's marker. It is the same database, so the marker was added again`,
    remedy: 'nothing to do now; leave the line that begins with "coldspare:" in the comment',
  });
  return { ...live, marker: lost };
};

/** Another database has another identity, even under the same name and number. */
const lostMarker = (
  { state }: Pick<Reader, 'state'>,
  { exists, marker, position }: LiveDatabase,
): Marker | undefined => {
  const { mode, opened } = state.current;
  if (!exists || marker !== undefined || mode !== 'primary') return undefined;
  return opened !== undefined && opened.database === position?.database ? opened.marker : undefined;
};

/** Remembers that this primary has opened this database, with this marker. */
export const rememberOpened = async (
  { state }: Pick<Reader, 'state'>,
  { marker, position }: LiveDatabase,
): Promise<void> => {
  if (marker === undefined || position === undefined) return;
  const opened = { database: position.database, marker };
  if (JSON.stringify(opened) === JSON.stringify(state.current.opened)) return;
  // A full disk must not keep the app from starting.
  await state.update({ opened }).catch(() => {});
};
