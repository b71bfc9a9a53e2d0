import { eventually } from '../lib/agent-process.js';
import type { Stage } from './stage.js';

/** Checks what must have been true all the time. */
export const closeBooks = async ({ narrator, vcl3, onlooker }: Stage): Promise<void> => {
  narrator.scene('What was never seen');
  await eventually('on VCL3 neither app nor database runs', () => vcl3.isCold());
  narrator.claim('on VCL3 app and database are stopped again', await vcl3.isCold());
  await onlooker.stop();
  const { served, seedsAlone } = onlooker.of('VCL3');
  narrator.claim(
    `VCL3 never served its seeds: ${served} looks at its app, production's orders in each`,
    served > 0 && seedsAlone === 0,
    { served, seedsAlone },
  );
  narrator.claim('the two apps never served at the same time', onlooker.twoAtOnce === 0);
};
