/** Milliseconds. Enough for the answer of a machine that is back, also over a slow link. */
const LEAST = 1_000;

/**
 * How long an answer is waited for, in milliseconds, that was waited for in vain `ago` milliseconds before: the chance
 * that somebody came back meanwhile grows with the time, and so does what it is worth to wait for it.
 */
export const recheckTimeout = (ago: number): number => Math.max(LEAST, ago);
