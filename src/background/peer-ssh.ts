import { toColdspareError } from '../domain/errors.js';
import type { Node } from '../operations/node.js';

/** Runs a command on the peer's machine that changes nothing. What is missing there is noticed before it is needed (H03). */
export const createPeerSshWatch =
  (
    { machine, peerView, clock }: Pick<Node, 'machine' | 'peerView' | 'clock'>,
    signal: AbortSignal,
  ) =>
  async (): Promise<void> => {
    if (machine === undefined) return;
    const error = await machine
      .reach(signal, async () => null)
      .catch((thrown: unknown) => toColdspareError(thrown));
    if (signal.aborted) return;
    peerView.ssh = { value: { error }, at: clock.now() };
  };
