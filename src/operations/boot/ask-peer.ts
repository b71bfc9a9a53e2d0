import { ColdspareError } from '../../domain/errors.js';
import { formatDuration } from '../../domain/format.js';
import type { NodeStatus } from '../../domain/status.js';
import type { Steps } from '../../engine/operation.js';
import { probePeer } from '../../peer/probe-peer.js';
import { stopApp } from '../../serve/app.js';
import type { Node } from '../node.js';

const POLL_PAUSE = 1_000;

type Asker = Pick<
  Node,
  'settings' | 'state' | 'stack' | 'peer' | 'probe' | 'clock' | 'log' | 'local' | 'peerView'
>;

/** No node starts serving before it has asked the peer who is primary now (H08). */
export const askPeer = (node: Asker, steps: Steps<'ask-peer'>): Promise<void> =>
  steps.step('ask-peer', async ({ signal, say }) => {
    const { aloneGrace, alone } = node.settings;
    const deadline = node.clock.elapsed() + aloneGrace;
    for (;;) {
      const { agent } = await probePeer(node);
      if (!('error' in agent) && !isPromoting(agent)) return say(assertNotSuperseded(node, agent));
      const why = 'error' in agent ? agent.error : `it runs ${agent.operation?.id}`;
      const isTimedOut = 'error' in agent && node.clock.elapsed() >= deadline;
      if (isTimedOut && alone === 'serve') return say(serveAlone(node, why));
      if (isTimedOut) {
        node.peerView.servingWithoutPeer = `the other agent does not answer (${why}); not serving by policy ALONE=wait`;
        await stopApp(node, signal);
      }
      say(
        `the other agent has not said who is primary: ${why}${isTimedOut ? ' (ALONE=wait: not serving until it does)' : ''}`,
      );
      await node.clock.sleep(POLL_PAUSE, signal);
    }
  });

/** An uncommitted promote decides whether this node is still primary: starting the app now could make two writers. */
const isPromoting = ({ operation }: NodeStatus): boolean =>
  operation?.kind === 'promote' && !operation.committed;

/** Describes the peer. @throws ColdspareError `superseded`; this node stands down, as it has heard the epoch */
const assertNotSuperseded = ({ state }: Pick<Node, 'state'>, agent: NodeStatus): string => {
  const { epoch } = state.current;
  if (agent.epoch <= epoch) return `${agent.node} is ${agent.mode} at epoch ${agent.epoch}`;
  throw new ColdspareError(
    'superseded',
    `${agent.node} is at epoch ${agent.epoch}, above ${epoch}: this node is not the primary any more`,
    'nothing to do: it stands down and gets the data by failback',
  );
};

const serveAlone = (node: Asker, why: string): string => {
  const message = `the other agent did not answer for ${formatDuration(node.settings.aloneGrace)} (${why}); serving by policy ALONE=serve`;
  node.peerView.servingWithoutPeer = message;
  node.log.warn({ peer: node.settings.peerUrl }, message);
  return message;
};
