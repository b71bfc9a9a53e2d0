import { ColdspareError } from '../domain/errors.js';
import type { Marker } from '../domain/marker.js';
import { hasEnded } from '../domain/operation.js';
import type { Node } from '../operations/node.js';

/**
 * The other node may have fenced this one without its agent. What it left in the database's marker counts as a
 * promise of ours, unless it says that the takeover came to nothing. What became of it, settle asks.
 * @throws ColdspareError `yielding`
 */
export const applyFenceMarker = async (
  { state, peer, settings }: Node,
  { fenced }: Pick<Marker, 'fenced'>,
): Promise<void> => {
  const { epoch: mine, sequence } = state.current;
  if (fenced === undefined || fenced.epoch <= mine) return;
  const { operation, epoch, backup: finalBackup } = fenced;
  const record = await peer.operation(operation).catch(() => 'unknown' as const);
  const isOver = record !== 'unknown' && (record === undefined || hasEnded(record));
  if (isOver && !record?.committed)
    return state.update({ sequence: Math.max(sequence, fenced.sequence) });
  const yielding = { operation, epoch, cause: 'fence', finalBackup, writes: null } as const;
  await state.apply('yield', mine, { yielding });
  throw new ColdspareError(
    'yielding',
    `the other node fenced ${settings.nodeName} in ${operation} while its agent could not be asked: it does not serve before that is decided`,
    'nothing to do: it asks the other node; when that is gone for good, POST /promote {"force": true} takes the role back',
    { value: operation },
  );
};
