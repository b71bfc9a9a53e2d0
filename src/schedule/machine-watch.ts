import type { Node } from '../operations/node.js';
import { toColdspareError } from '../pure/errors.js';

/**
 * Logs in on the peer's machine now and then, and does nothing there: a key that nobody set up must show before it
 * is needed (H03). Announces once what only SSH cannot reach; a machine that is gone altogether is no news of this.
 */
export const createMachineWatch = (node: Node, signal: AbortSignal): (() => Promise<void>) => {
  let wasTold = false;
  return async () => {
    if (node.machine === undefined) return;
    const error = await node.machine
      .reach(signal, async () => null)
      .catch((thrown: unknown) => toColdspareError(thrown));
    if (signal.aborted) return;
    node.observed.machine = { value: { error: error?.message ?? null }, at: node.clock.now() };
    const agent = node.observed.peer?.value;
    if (error === null) wasTold = false;
    if (error === null || wasTold || agent === undefined || 'error' in agent) return;
    wasTold = true;
    node.notifier.announce({
      event: 'ssh-failing',
      severity: 'warning',
      message: `${node.settings.nodeName} could not fence the other machine over SSH: ${error.message}`,
      remedy: error.remedy,
    });
  };
};
