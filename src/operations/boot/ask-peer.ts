import { ColdspareError } from '../../domain/errors.js';
import { formatDuration } from '../../domain/format.js';
import type { NodeStatus } from '../../domain/status.js';
import type { Steps } from '../../engine/operation.js';
import { probePeer, probeWitness } from '../../peer/probe-peer.js';
import { isHealthy } from '../../ports/probe.js';
import { stopApp } from '../../serve/app.js';
import { hasServedOn } from '../../serve/continuity.js';
import type { Node } from '../node.js';

const POLL_PAUSE = 1_000;

type Asker = Pick<
  Node,
  | ('settings' | 'state' | 'stack' | 'disk' | 'local' | 'peerView')
  | ('peer' | 'probe' | 'clock' | 'log')
>;

/**
 * No node starts serving before it has asked the peer who is primary now (H08). One whose app has served on during a
 * brief restart of the agent does not wait for the answer: nobody can have taken over meanwhile.
 */
export const askPeer = (node: Asker, steps: Steps<'ask-peer'>): Promise<void> =>
  steps.step('ask-peer', async ({ signal, say }) => {
    const { aloneGrace } = node.settings;
    const deadline = node.clock.elapsed() + aloneGrace;
    let goesOn = !node.local.opened && (await hasServedOn(node));
    for (;;) {
      const { agent } = await probePeer(node);
      if ('error' in agent && goesOn)
        return say(`the app has served on during a brief restart of the agent: ${agent.error}`);
      // It answered, so from now on its answer decides.
      goesOn = false;
      if (!('error' in agent) && !isPromoting(agent)) return say(assertNotSuperseded(node, agent));
      const why = 'error' in agent ? agent.error : `it runs ${agent.operation?.id}`;
      const isTimedOut = 'error' in agent && node.clock.elapsed() >= deadline;
      const whyWait = isTimedOut ? await whyNotAlone(node) : undefined;
      if (isTimedOut && whyWait === undefined) return say(serveAlone(node, why));
      if (whyWait !== undefined) {
        node.peerView.servingWithoutPeer = `the other agent does not answer (${why}); not serving: ${whyWait}`;
        await stopApp(node, signal);
      }
      say(
        `the other agent has not said who is primary: ${why}${whyWait === undefined ? '' : ` (not serving until it does: ${whyWait})`}`,
      );
      await node.clock.sleep(POLL_PAUSE, signal);
    }
  });

/** Why this node must not serve without having asked its peer; undefined when it may. */
const whyNotAlone = async (node: Asker): Promise<string | undefined> => {
  if (node.settings.alone === 'wait') return 'by policy ALONE=wait';
  const witness = await probeWitness(node);
  if (witness.view !== 'serves') return undefined;
  // An app that went on while its agent was restarted is what the witness sees.
  if (isHealthy(await node.stack.app.check())) return undefined;
  return `the users are served already (${witness.summary}), so the other server is the primary`;
};

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
