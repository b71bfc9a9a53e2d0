import { createHash } from 'node:crypto';
import type { NodeState } from './node-state.js';

/** The checks that somebody may have set up wrongly. */
export type Check = 'APP_HEALTH_URL' | 'PRIMARY_CHECK_URL' | 'WITNESS_URL';

export interface Baseline {
  state: NodeState;
  settings: Partial<Record<'appHealthUrl' | 'primaryCheckUrl' | 'witnessUrl', string | undefined>>;
}

const SETTINGS = {
  APP_HEALTH_URL: 'appHealthUrl',
  PRIMARY_CHECK_URL: 'primaryCheckUrl',
  WITNESS_URL: 'witnessUrl',
} as const;

/**
 * Whether this URL has said yes when the service was known to be there. Until then its no means nothing: a wrong port, a
 * redirect or a bad certificate says no for ever (H39, H50, H52).
 */
export const isProven = ({ state, settings }: Baseline, check: Check): boolean => {
  const url = settings[SETTINGS[check]];
  return url !== undefined && state.current.proven?.[check] === fingerprint(url);
};

/** Records it, across restarts. A disk that takes no writes is no reason to check nothing: the next check tries again. */
export const noteProven = async (node: Baseline, check: Check, is: boolean): Promise<void> => {
  const url = node.settings[SETTINGS[check]];
  if (url === undefined || isProven(node, check) === is) return;
  const value = is ? fingerprint(url) : '';
  await node.state
    .update(({ proven }) => ({ proven: { ...proven, [check]: value } }))
    .catch(() => {});
};

/** A URL may carry a password, and another URL has to prove itself anew. */
const fingerprint = (url: string): string =>
  createHash('sha256').update(url).digest('base64url').slice(0, 16);
