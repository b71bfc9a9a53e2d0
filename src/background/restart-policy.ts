import type { Node } from '../operations/node.js';

/**
 * Switches off restart policies that somebody else gave to the app or the database (rule 8), and reports it. A plain
 * `docker compose up` brings them back. After a reboot the app would then start before its agent has asked the peer
 * (H08).
 */
export const createRestartPolicyWatch =
  (node: Pick<Node, 'settings' | 'stack' | 'log' | 'notifier'>) => async (): Promise<void> => {
    const disarmed = (await node.stack.disarm?.()) ?? [];
    if (disarmed.length === 0) return;
    const { nodeName } = node.settings;
    node.log.warn({ disarmed }, 'these had a restart policy; it is switched off now');
    node.notifier.announce({
      event: 'restart-policy',
      severity: 'warning',
      message: `${nodeName}: ${disarmed.join(', ')} had a restart policy and would have started without the agent; it is switched off now`,
      remedy:
        'nothing to do; starting the project by hand brings the policy back, and the agent switches it off again',
      data: { disarmed },
    });
  };
