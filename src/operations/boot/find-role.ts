import { ColdspareError } from '../../domain/errors.js';
import { doubtOf, type FoundRole, roleAfterLoss, type Traces } from '../../domain/lost-role.js';
import type { NodeStatus } from '../../domain/status.js';
import type { Plan, Steps } from '../../engine/operation.js';
import { probePeer } from '../../peer/probe-peer.js';
import type { Node } from '../node.js';
import { standDown, standDownSteps } from '../stand-down/stand-down.js';
import { isBehindReplica } from './behind-replica.js';
import { type Booter, bootBase, bootPrimary, PRIMARY_STEPS } from './boot.js';

/** Finds out which role a node has whose state was lost or has gone back in time, and takes it (H36). */
export const planFindRole = (node: Booter): Plan => ({
  ...bootBase(node, 'its own state was lost, or is older than its data'),
  steps: ['find-role', ...PRIMARY_STEPS, ...standDownSteps(node)],
  run: async (steps) => {
    const { role } = await findRole(node, steps);
    await (role === 'primary' ? bootPrimary(node, steps) : standDown(node, steps));
  },
});

const findRole = (node: Booter, steps: Steps<'find-role'>): Promise<FoundRole> =>
  steps.step('find-role', async ({ signal, say }) => {
    const { database } = node.stack;
    await database.start(signal);
    const { agent } = await probePeer(node);
    const peer = 'error' in agent ? undefined : agent;
    const newest = await newestOf(node, peer);
    const found = roleAfterLoss({
      ...{ ...node.state.current, ...(await database.live()) },
      ...{ doubt: doubtOf(node.state.current.yielding) ?? 'older', peer, newest },
      isBehindReplica: await isBehindReplica(node, peer),
    });
    if (found.role === 'unknown') throw undecided(found.why);
    await node.leadership.settle(found);
    const { sequence } = node.state.current;
    if (newest?.epoch === found.epoch && newest.sequence > sequence)
      await node.state.update({ sequence: newest.sequence });
    announce(node, found);
    say(`${found.role} at epoch ${found.epoch}: ${found.why}`);
    return found;
  });

/** With its position, which the status does not have. */
const newestOf = async (
  { peer }: Pick<Node, 'peer'>,
  status: NodeStatus | undefined,
): Promise<Traces['newest']> => {
  const id = status?.latestBackup?.id;
  return id === undefined ? undefined : peer.backup(id);
};

const announce = ({ settings, notifier }: Booter, { role, why }: FoundRole): void =>
  notifier.announce({
    event: 'role-found',
    severity: 'critical',
    message: `${settings.nodeName} had lost its state, or an old one was put in its place. It is ${role === 'primary' ? 'the primary' : 'a standby'}: ${why}`,
    remedy:
      role === 'primary'
        ? 'nothing to do; find out what has removed or replaced files of STATE_DIR'
        : 'the other node serves from its newest backup. A database here that was newer is kept under a dated name',
  });

const undecided = (why: string): ColdspareError =>
  new ColdspareError(
    'yielding',
    `nobody knows yet which role this node has: ${why}`,
    'see what the other agent says (GET /status there), or start it; when it is gone for good, POST /promote {"force": true} makes this node the primary with the data that it has',
  );
