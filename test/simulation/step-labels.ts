import { STEPS } from '../support/step-names.js';

/** The simulated database has no replica, so nothing is seeded. */
const { seed: _, ...SIMULATED } = STEPS;

/** `kind.step` of every step that is simulated, and the two labels of the backup store. */
export const STEP_LABELS: readonly string[] = [...new Set(Object.values(SIMULATED).flat())];
