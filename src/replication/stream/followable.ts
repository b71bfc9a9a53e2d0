import { Refused } from '../../domain/errors.js';
import { doubtOf } from '../../domain/lost-role.js';
import type { Leadership } from '../../leadership/leadership.js';
import type { NodeState } from '../../state/node-state.js';

interface Followed {
  settings: { nodeName: string };
  state: Pick<NodeState, 'current'>;
  leadership: Pick<Leadership, 'heardEpoch'>;
}

/**
 * Whether a standby may follow this node's database now. It may follow one that yields: until the other node has taken
 * over, nobody has newer data. @throws Refused `not-primary`, `superseded`, `yielding`
 */
export const assertFollowable = ({ settings, state, leadership }: Followed): void => {
  const { mode, epoch, yielding } = state.current;
  const name = settings.nodeName;
  if (mode === 'standby')
    throw new Refused(
      'not-primary',
      `${name} is a standby, so nobody can follow it`,
      'GET /status of both nodes shows which one is the primary',
    );
  if (leadership.heardEpoch > epoch)
    throw new Refused(
      'superseded',
      `${name} is superseded: it has epoch ${epoch}, and there is epoch ${leadership.heardEpoch}`,
      'GET /status of both nodes shows which one is the primary',
      { value: leadership.heardEpoch },
    );
  if (doubtOf(yielding) !== undefined)
    throw new Refused(
      'yielding',
      `${name} has lost its state, and does not know yet whether it is the primary`,
      'it finds out by itself; GET /status shows how far it is',
    );
};
