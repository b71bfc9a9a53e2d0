import { toColdspareError } from '../domain/errors.js';
import type { Node } from '../operations/node.js';

/** Logs in on the peer's machine now and then, and does nothing there: a key that nobody set up must show before it is needed (H03). */
export const createPeerSshWatch = (node: Node, signal: AbortSignal) => async (): Promise<void> => {
  if (node.machine === undefined) return;
  const error = await node.machine
    .reach(signal, async () => null)
    .catch((thrown: unknown) => toColdspareError(thrown));
  if (signal.aborted) return;
  node.peerView.ssh = { value: { error }, at: node.clock.now() };
};
