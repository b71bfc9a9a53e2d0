import { ColdspareError } from '../domain/errors.js';
import type { Clock } from '../ports/clock.js';
import type { Log } from '../ports/log.js';

/** Wrong keys that an address may send within `WINDOW` milliseconds. */
export const LIMIT = 30;
const WINDOW = 60_000;

/** Addresses that are remembered. When there are more, the one whose window began first is forgotten. */
const ADDRESSES = 1_000;

/** Milliseconds between two lines in the log, for all addresses together. */
const LOG_INTERVAL = 60_000;

/**
 * Limits wrong keys per address. A key of 32 characters cannot be guessed: this keeps a flood cheap and the log
 * readable. Call it only when a key has turned out to be wrong: behind one NAT, the peer and the operator may have the
 * same address as the flood.
 */
export const createAuthRateLimit = ({ clock, log }: { clock: Clock; log: Log }) => {
  const tries = new Map<string, { count: number; until: number }>();
  let unlogged = 0;
  let loggedAt = Number.NEGATIVE_INFINITY;

  const logAttempt = (address: string, now: number): void => {
    unlogged += 1;
    if (now - loggedAt < LOG_INTERVAL) return;
    log.warn({ address, attempts: unlogged }, 'requests with a wrong key');
    loggedAt = now;
    unlogged = 0;
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

  /** Counts one more wrong key from `address`. @throws ColdspareError `too-many-attempts`, its value the seconds to wait */
  return (address: string): void => {
    const now = clock.elapsed();
    logAttempt(address, now);
    const { count: attempts, until } = count(address, now);
    if (attempts > LIMIT) throw tooMany(Math.ceil((until - now) / 1_000));
  };
};

const tooMany = (seconds: number): ColdspareError =>
  new ColdspareError(
    'too-many-attempts',
    `more than ${LIMIT} wrong keys came from this address within a minute`,
    'send the right key: it is accepted at any time',
    { value: seconds },
  );
