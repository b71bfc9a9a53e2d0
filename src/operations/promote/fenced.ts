import type { ErrorCode } from '../../domain/errors.js';
import type { Node } from '../node.js';

/** How the old primary was stopped from serving. */
export interface Fenced {
  outcome:
    | 'fenced'
    | 'fenced-by-ssh'
    /** Its machine was reached, but its app could not be stopped; taken over by force. */
    | 'not-stopped'
    | 'unreachable'
    | 'nothing-to-fence';
  /** The epoch to take: above the one in which the old primary served. */
  epoch: number;
  /** The error over SSH; null when there was none or SSH was not needed. */
  sshError: ErrorCode | null;
  /** `clock.elapsed()` at the attempt. */
  triedAt: number;
}

export interface FenceRequest {
  /** The epoch that this node means to take. */
  epoch: number;
  force: boolean;
}

export type Fencer = Pick<
  Node,
  | 'settings'
  | 'state'
  | 'leadership'
  | 'backups'
  | 'peer'
  | 'machine'
  | 'clock'
  | 'log'
  | 'peerView'
>;

/** Explains that the old primary could not be reached at all. */
export const formatUnfenced = (epoch: number, why: string): string =>
  `could not be fenced: ${why}. If it still runs, it stands down when it hears of epoch ${epoch}`;
