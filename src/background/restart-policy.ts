import type { Node } from '../operations/node.js';

/**
 * Takes from app and database what somebody else gave them to start by (rule 8), and says so: a plain
 * `docker compose up` brings the restart policies back, and a reboot would start the app before its agent has asked
 * the peer (H08).
 */
export const createRestartPolicyWatch = (node: Node) => async (): Promise<void> => {
  const disarmed = (await node.stack.disarm?.()) ?? [];
  if (disarmed.length === 0) return;
  const { nodeName } = node.settings;
  node.log.warn({ disarmed }, 'somebody else started these; they no longer start by themselves');
  node.notifier.announce({
    event: 'restart-policy',
    severity: 'warning',
    message: `${nodeName}: ${disarmed.join(', ')} had a restart policy and would have started without the agent; it is switched off now`,
    remedy:
      'nothing to do; whoever starts the project by hand brings the policy back until the agent sees it',
    data: { disarmed },
  });
};
