import { z } from 'zod';
import { ColdspareError, Refused } from './errors.js';

/**
 * `yielding` is a primary that has promised not to serve: a handover or a fence is under way, and only the
 * peer can say whether it has taken over.
 */
export const modeSchema = z.enum(['standby', 'primary', 'yielding']);
export type Mode = z.infer<typeof modeSchema>;

/** The node whose first role was primary counts in odd epochs, the other in even ones, so that no two ever share one. */
export type Parity = 'odd' | 'even';

interface Transition {
  from: Mode;
  event:
    | ('promoted' | 'yield' | 'resume' | 'superseded' | 'heard')
    | ('doubted' | 'found-primary' | 'found-standby');
  to: Mode;
  /** What the new epoch must be, compared with the present one. */
  epoch: 'higher' | 'same';
  reason: string;
}

export type RoleEvent = Transition['event'];

/** Every change of role there is. What is not listed is refused. */
export const TRANSITIONS: readonly Transition[] = [
  {
    from: 'standby',
    event: 'promoted',
    to: 'primary',
    epoch: 'higher',
    reason: 'it holds a verified restore, or the peer gave way and has nothing that is not here',
  },
  {
    from: 'standby',
    event: 'heard',
    to: 'standby',
    epoch: 'higher',
    reason: 'a primary of a later epoch exists',
  },
  {
    from: 'primary',
    event: 'yield',
    to: 'yielding',
    epoch: 'same',
    reason: 'writes are stopped while the peer takes over',
  },
  {
    from: 'primary',
    event: 'superseded',
    to: 'standby',
    epoch: 'higher',
    reason: 'somebody else became primary',
  },
  {
    from: 'yielding',
    event: 'yield',
    to: 'yielding',
    epoch: 'same',
    reason: 'a later attempt of the peer replaces one that it gave up',
  },
  {
    from: 'yielding',
    event: 'resume',
    to: 'primary',
    epoch: 'same',
    reason: 'the peer has said that it did not take over',
  },
  {
    from: 'yielding',
    event: 'superseded',
    to: 'standby',
    epoch: 'higher',
    reason: 'the peer has taken over',
  },
  {
    from: 'yielding',
    event: 'promoted',
    to: 'primary',
    epoch: 'higher',
    reason: 'a person vouches that the peer is gone',
  },
  ...(['primary', 'standby'] as const).map(
    (from): Transition => ({
      from,
      event: 'doubted',
      to: 'yielding',
      epoch: 'same',
      reason: 'its state is older than what its database or the peer knows',
    }),
  ),
  {
    from: 'yielding',
    event: 'doubted',
    to: 'yielding',
    epoch: 'same',
    reason: 'the peer did not take over, and knows a later epoch of this node',
  },
  {
    from: 'yielding',
    event: 'found-primary',
    to: 'primary',
    epoch: 'higher',
    reason: 'its database has served at that epoch, and the peer knows of no later one',
  },
  {
    from: 'yielding',
    event: 'found-standby',
    to: 'standby',
    epoch: 'same',
    reason: 'its lost state was that of a standby',
  },
];

interface Position {
  mode: Mode;
  epoch: number;
}

/** Where `event` leads from here. @throws ColdspareError `transition-not-allowed` when the table has no such row */
export const transition = (here: Position, event: RoleEvent, epoch: number): Mode => {
  const row = TRANSITIONS.find(
    (candidate) => candidate.from === here.mode && candidate.event === event,
  );
  const epochFits = row?.epoch === 'higher' ? epoch > here.epoch : epoch === here.epoch;
  if (row === undefined || !epochFits) {
    throw new ColdspareError(
      'transition-not-allowed',
      `a ${here.mode} at epoch ${here.epoch} cannot become "${event}" at epoch ${epoch}`,
      'nothing was changed; GET /status shows the role and what to do next',
      { value: { ...here, event, wanted: epoch } },
    );
  }
  return row.to;
};

/** The lowest epoch above `known` that this node may claim. */
export const nextEpoch = (known: number, parity: Parity): number => {
  const next = known + 1;
  return isOwnEpoch(next, parity) ? next : next + 1;
};

/** The epoch in a header, or undefined. Its range is that of `z.int()`, which reads epochs everywhere else. */
export const parseEpoch = (text: string): number | undefined => {
  const epoch = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(epoch) ? epoch : undefined;
};

/** Epochs that one node may be ahead of the other: more changes of role than there are in years. */
const FARTHEST_AHEAD = 1_000_000;

/** An epoch never goes down again, so one mistyped message could use them all up. @throws Refused `invalid-request` */
export const assertNearEpoch = (epoch: number, known: number): void => {
  if (epoch <= known + FARTHEST_AHEAD) return;
  throw new Refused(
    'invalid-request',
    `epoch ${epoch} is too far above ${known}, the epoch of this node, to be true`,
    'compare the epochs that GET /status of both nodes shows; one that really is that far ahead is believed once this node asks it',
    { value: epoch },
  );
};

/** Whether only the node of this parity can have been primary at `epoch`. */
export const isOwnEpoch = (epoch: number, parity: Parity): boolean =>
  epoch > 0 && epoch % 2 === (parity === 'odd' ? 1 : 0);
