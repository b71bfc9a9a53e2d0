import { ColdspareError } from '../domain/errors.js';
import type { Clock } from '../ports/clock.js';
import type { Log } from '../ports/log.js';

/** Wrong keys that an address has within `WINDOW` milliseconds. */
export const LIMIT = 30;
const WINDOW = 60_000;

/** Addresses that are remembered. When there are more, the one that began longest ago is forgotten. */
const ADDRESSES = 1_000;

/** Milliseconds between two lines in the log, whoever tries. */
const PAUSE = 60_000;

/**
 * Counts wrong keys, by address. A key of 32 characters is not found by trying: this keeps a flood
 * cheap and the log readable. It must be asked only after the key was looked at, because the peer and the operator
 * may come from the same address as the flood, from behind one NAT.
 */
export const createWrongKeys = ({ clock, log }: { clock: Clock; log: Log }) => {
  const tries = new Map<string, { count: number; until: number }>();
  let untold = 0;
  let toldAt = Number.NEGATIVE_INFINITY;

  const tell = (address: string, now: number): void => {
    untold += 1;
    if (now - toldAt < PAUSE) return;
    log.warn({ address, attempts: untold }, 'somebody came with a wrong key');
    toldAt = now;
    untold = 0;
  };

  const count = (address: string, now: number) => {
    const known = tries.get(address);
    if (known !== undefined && now < known.until) {
      known.count += 1;
      return known;
    }
    // The map is in the order in which the windows began.
    tries.delete(address);
    const [oldest] = tries.keys();
    if (oldest !== undefined && tries.size >= ADDRESSES) tries.delete(oldest);
    const begun = { count: 1, until: now + WINDOW };
    tries.set(address, begun);
    return begun;
  };

  /** One more from there. @throws ColdspareError `too-many-attempts`, its value the seconds to wait */
  return (address: string): void => {
    const now = clock.elapsed();
    tell(address, now);
    const { count: attempts, until } = count(address, now);
    if (attempts > LIMIT) throw tooMany(Math.ceil((until - now) / 1_000));
  };
};

const tooMany = (seconds: number): ColdspareError =>
  new ColdspareError(
    'too-many-attempts',
    `more than ${LIMIT} wrong keys came from this address within a minute`,
    'send the right key, which is taken at any time',
    { value: seconds },
  );
