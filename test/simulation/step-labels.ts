import { STEPS } from '../support/step-names.js';

/** `kind.step` of every step there is, and the two labels of the backup store. */
export const STEP_LABELS: readonly string[] = [...new Set(Object.values(STEPS).flat())];
