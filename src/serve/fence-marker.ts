import { ColdspareError } from '../domain/errors.js';
import type { Marker } from '../domain/marker.js';
import { hasEnded } from '../domain/operation.js';
import type { Leadership } from '../leadership/leadership.js';
import type { Peer } from '../peer/peer.js';
import type { NodeState } from '../state/node-state.js';

interface Fenceable {
  settings: { nodeName: string };
  state: NodeState;
  leadership: Pick<Leadership, 'handOff'>;
  peer: Pick<Peer, 'operation'>;
}

/**
 * The other node may have fenced this one without its agent, and written the fence into the database's marker. This
 * node then yields, unless the other node says that its takeover has failed.
 * @throws ColdspareError `yielding`
 */
export const applyFenceMarker = async (
  { state, leadership, peer, settings }: Fenceable,
  { fenced }: Pick<Marker, 'fenced'>,
): Promise<void> => {
  const { epoch: mine, sequence } = state.current;
  if (fenced === undefined || fenced.epoch <= mine) return;
  const { operation, epoch, backup: finalBackup } = fenced;
  const record = await peer.operation(operation).catch(() => 'unknown' as const);
  const isOver = record !== 'unknown' && (record === undefined || hasEnded(record));
  if (isOver && !record?.committed)
    return state.update({ sequence: Math.max(sequence, fenced.sequence) });
  await leadership.handOff({ operation, epoch, cause: 'fence', finalBackup, writes: null });
  throw new ColdspareError(
    'yielding',
    `the other node fenced ${settings.nodeName} in ${operation} while this agent did not answer: it does not serve until that operation is decided`,
    'nothing to do: it asks the other node; when that is gone for good, POST /promote {"force": true} takes the role back',
    { value: operation },
  );
};
