import type { StepFault } from './step-faults.js';
import type { THEMES } from './themes.js';
import type { TROUBLES } from './troubles.js';

/** What schedules are to be about that look for one thing, so that it comes up sooner than by chance. */
export interface Focus {
  theme?: keyof typeof THEMES;
  /** A trouble that comes up all the time. */
  trouble?: keyof typeof TROUBLES;
  /** The label of the step that is struck. */
  step?: string;
  /** What happens there. */
  action?: StepFault['action'];
  /** Environment variables of both nodes. */
  settings?: Record<string, string>;
}
