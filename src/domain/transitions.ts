import { z } from 'zod';
import { ColdspareError } from './errors.js';

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
  event: 'promoted' | 'yield' | 'resume' | 'superseded' | 'heard';
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
    reason: 'it holds a verified restore',
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
  const isMine = next % 2 === (parity === 'odd' ? 1 : 0);
  return isMine ? next : next + 1;
};
