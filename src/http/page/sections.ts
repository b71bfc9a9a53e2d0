import { actions } from './actions.js';
import { problems, summary } from './attention.js';
import { backups } from './backups.js';
import type { PageFacts } from './facts.js';
import { history, operation } from './operations.js';
import { servers } from './servers.js';
import type { Html } from './words.js';

/** The parts of the page that change, the most urgent first. */
const SECTIONS: Record<string, (facts: PageFacts) => Html | ''> = {
  summary,
  problems,
  operation,
  actions,
  servers,
  backups,
  history,
};

export interface Section {
  /** The id of its element. */
  id: string;
  /** What is inside. */
  html: string;
}

export const renderSections = (facts: PageFacts): Promise<Section[]> =>
  Promise.all(
    Object.entries(SECTIONS).map(async ([id, render]) => ({
      id,
      html: String(await render(facts)),
    })),
  );
