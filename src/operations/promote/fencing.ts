import type { ErrorCode } from '../../domain/errors.js';

/** How the old primary was stopped from serving; filled in by the steps. */
export interface Fencing {
  outcome:
    | 'fenced'
    | 'fenced-by-ssh'
    /** Its machine was reached, but its app could not be stopped: taken over all the same, by force. */
    | 'not-stopped'
    | 'unreachable'
    | 'nothing-to-fence'
    | undefined;
  /** `clock.elapsed()` when it was last tried. */
  triedAt: number;
  /** What went wrong over SSH; undefined when nothing did, or SSH was not needed. */
  sshError: ErrorCode | undefined;
  /** Why there is no rescue, for the report. */
  notRescued: string | undefined;
}

export const newFencing = (): Fencing => ({
  outcome: undefined,
  triedAt: 0,
  sshError: undefined,
  notRescued: undefined,
});

/** What it means that the old primary could be reached in no way. */
export const sayUnfenced = (epoch: number, why: string): string =>
  `could not be fenced: ${why}. If it still runs, it stands down when it hears of epoch ${epoch}`;
