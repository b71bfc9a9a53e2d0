import { Stop } from './stop.js';
import type { Survey } from './survey.js';

/**
 * The order in which two servers are switched, so that both agents are never down at once: first those whose agent is
 * down already (the later primary first), then the standby, then the primary.
 * @throws Stop when both are primary
 */
export const orderOf = <T extends { seen: Pick<Survey, 'status'> }>(pair: readonly T[]): T[] => {
  const rank = ({ seen: { status } }: T) => {
    if (status === undefined) return 0;
    return status.role === 'standby' ? 1 : 2;
  };
  if (pair.every((one) => rank(one) === 2)) {
    throw new Stop(
      'both agents say that they are the primary',
      './scripts/doctor says more; the one with the lower epoch stands down as soon as it reaches the other',
    );
  }
  return [...pair].sort((a, b) => rank(a) - rank(b));
};
