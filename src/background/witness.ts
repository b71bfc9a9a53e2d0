import type { Node } from '../operations/node.js';
import { peerStatus } from '../peer/peer-view.js';
import { probeWitness } from '../peer/probe-peer.js';
import { isServing } from '../serve/serving.js';
import { noteProven } from '../state/baseline.js';

/** Milliseconds. One that has not seen the service for so long while it was there has no say in an outage. */
const UNLEARN_AFTER = 60 * 60_000;

/** Asks the witness while the service is known to be there. One that cannot see it then is unfit for an outage (H52). */
export const createWitnessWatch =
  (
    node: Pick<
      Node,
      'settings' | 'state' | 'probe' | 'clock' | 'peerView' | 'local' | 'leadership'
    >,
  ) =>
  async (): Promise<void> => {
    const { peerView, clock, settings } = node;
    const isServed = () => isServing(node) || peerStatus(peerView)?.serving === true;
    if (settings.witnessUrl === undefined || !isServed()) return;
    const { view, summary } = await probeWitness(node);
    if (view === 'serves') {
      peerView.witnessUnfit = undefined;
      return noteProven(node, 'WITNESS_URL', true);
    }
    // The outage may have begun meanwhile.
    if (!isServed()) return;
    const { since } = peerView.witnessUnfit ?? { since: clock.elapsed() };
    if (clock.elapsed() - since >= UNLEARN_AFTER) await noteProven(node, 'WITNESS_URL', false);
    peerView.witnessUnfit = { since, detail: `${summary} while the service is there` };
  };
