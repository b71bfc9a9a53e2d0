import type { Manifest, Position } from './manifest.js';
import type { Marker } from './marker.js';
import type { NodeStatus } from './status.js';
import { isOwnEpoch, type Parity } from './transitions.js';

/** What a node yields to while its own state is in doubt. No operation has such an id. */
const DOUBT = { lost: 'state-lost', older: 'state-older' } as const;
export type Doubt = keyof typeof DOUBT;

export const doubtId = (doubt: Doubt, at: string): string =>
  `${DOUBT[doubt]}_${at.replace(/\D/g, '')}`;

/** Why the node's own state is in doubt; undefined when it yields to an operation, or not at all. */
export const doubtOf = (yielding: { operation: string } | null): Doubt | undefined => {
  if (yielding?.operation.startsWith(DOUBT.lost)) return 'lost';
  return yielding?.operation.startsWith(DOUBT.older) ? 'older' : undefined;
};

/**
 * Whether the database has served this lineage at a later epoch of this node than its state knows. Then the node was the
 * primary, and does not remember it (H36).
 */
export const hasForgotten = (
  state: { epoch: number; parity: Parity; lineage: string | null },
  marker: Marker | undefined,
): boolean =>
  marker?.served === true &&
  marker.lineage === state.lineage &&
  marker.epoch > state.epoch &&
  isOwnEpoch(marker.epoch, state.parity);

/** What is left to go by. */
export interface Traces {
  doubt: Doubt;
  parity: Parity;
  /** What the state says, which is too low or unknown. */
  epoch: number;
  sequence: number;
  /** The marker of this node's database. */
  marker: Marker | undefined;
  position?: Position | undefined;
  /** Undefined when it does not answer. */
  peer: Pick<NodeStatus, 'node' | 'mode' | 'epoch'> | undefined;
  /** The newest backup that the peer has. */
  newest: Pick<Manifest, 'id' | 'epoch' | 'sequence' | 'position'> | undefined;
  /** The peer's replica has log that this node's database does not have. */
  isBehindReplica?: boolean;
}

export interface FoundRole {
  role: 'primary' | 'standby' | 'unknown';
  epoch: number;
  /** Whether the database here may hold writes of its own. */
  isDiverged: boolean;
  why: string;
}

/**
 * The role of a node whose state was lost or has gone back in time (H36). The node's epochs are its own alone, so a
 * marker that says "served" with one of them proves that this node was the primary then. The peer says whether it still
 * is. A database that is older than a backup of it proves nothing: another one may be ahead of it.
 */
export const roleAfterLoss = (traces: Traces): FoundRole => {
  const { parity, epoch, marker, peer } = traces;
  const served = marker?.served && isOwnEpoch(marker.epoch, parity) ? marker.epoch : undefined;
  // A restored database carries the epoch that was meant to be taken, which was perhaps not taken.
  const known = Math.max(epoch, peer?.epoch ?? 0, served ?? 0);
  const standby = (why: string): FoundRole => ({
    ...{ role: 'standby', epoch: known, isDiverged: served !== undefined, why },
  });
  const unknown = (why: string): FoundRole => ({
    ...{ role: 'unknown', epoch, isDiverged: false, why },
  });
  if (peer === undefined) {
    if (marker !== undefined && served === undefined)
      return standby('its database was restored from a backup and has not served since');
    return unknown('the other agent does not answer, and it alone knows who is the primary');
  }
  const isLater = served !== undefined && served > peer.epoch;
  // The peer has not heard of our last takeover yet, and may even wait for its outcome.
  if (isLater && peer.mode !== 'standby') return primary(served, peer.node);
  if (peer.mode === 'primary') return standby(`${peer.node} is the primary at epoch ${peer.epoch}`);
  if (peer.mode === 'yielding') return unknown(`${peer.node} waits for an answer itself`);
  if (served === undefined) {
    const isFirst = marker === undefined && parity === 'odd' && peer.epoch <= 1;
    if (isFirst) return { role: 'primary', epoch: 1, isDiverged: false, why: 'nobody served yet' };
    return standby('its database has not served as the primary of any epoch');
  }
  if (served < peer.epoch)
    return standby(`its database served at epoch ${served}, and ${peer.node} knows ${peer.epoch}`);
  if (traces.isBehindReplica)
    return standby(`its database is older than the replica of ${peer.node}`);
  const behind = behindBackup(traces, served);
  if (behind !== undefined) return standby(behind);
  return primary(served, peer.node);
};

const primary = (epoch: number, peer: string): FoundRole => ({
  ...{ role: 'primary', epoch, isDiverged: false },
  why: `its database served at epoch ${epoch}, and ${peer} knows of no later one`,
});

/** Why the database is older than a backup of it, as far as anybody can tell. */
const behindBackup = (
  { doubt, sequence, position, newest }: Traces,
  epoch: number,
): string | undefined => {
  if (newest?.epoch !== epoch || newest.sequence <= sequence) return undefined;
  const isProven = newest.position !== undefined && position !== undefined;
  if (!isProven)
    return doubt === 'lost'
      ? undefined
      : `the other node has backup ${newest.id}, which this one does not remember`;
  return isAtOrAfter(position, newest.position)
    ? undefined
    : `its database is older than backup ${newest.id}, which was taken of it`;
};

const isAtOrAfter = (now: Position, then: Position | undefined): boolean =>
  then !== undefined && now.database === then.database && BigInt(now.log) >= BigInt(then.log);
