import { Refused } from '../domain/errors.js';
import { formatProtocol, speaksOurs } from '../domain/protocol.js';
import { assertNearEpoch, parseEpoch } from '../domain/transitions.js';
import type { Node } from '../operations/node.js';
import { noteEpoch } from '../operations/note-epoch.js';
import { checkSender } from '../peer/sender.js';
import type { HttpContext, Route } from './route.js';

/** Sent with every message between agents: the versions that the sender understands. */
const PROTOCOL_HEADER = 'Coldspare-Protocol';

/** Sent with every message between agents: the sender's epoch. */
const EPOCH = 'Coldspare-Epoch';
/** And which run of its agent it is. */
const INSTANCE = 'Coldspare-Instance';

/** The role as others see it. A yielding node is a primary until the other node has taken over. */
export const roleOf = ({ state }: Node): 'primary' | 'standby' =>
  state.current.mode === 'standby' ? 'standby' : 'primary';

/** Who answers, in which protocol, and its epoch: a sender that is behind learns it from the answer. */
export const setEpochHeaders = (c: HttpContext, node: Node): void => {
  c.header(EPOCH, String(node.state.current.epoch));
  c.header(INSTANCE, node.instance);
  c.header('Coldspare-Node', node.settings.nodeName);
  c.header('Coldspare-Role', roleOf(node));
  c.header(PROTOCOL_HEADER, formatProtocol());
};

const isQuestion = ({ method, joinsPeer }: Route): boolean => method === 'GET' && !joinsPeer;

/** Its questions are answered all the same: who serves does not depend on the version. @throws Refused `invalid-request` */
export const assertProtocol = (c: HttpContext, route: Route): void => {
  const header = c.req.header(PROTOCOL_HEADER);
  if (isQuestion(route) || speaksOurs(header)) return;
  throw new Refused(
    'invalid-request',
    `the sender speaks protocol ${header?.slice(0, 40)}, this node ${formatProtocol()}`,
    'bring both nodes to the same version: ./scripts/deploy',
    { value: header?.slice(0, 40) },
  );
};

/**
 * Notes the epoch of the peer's message, before the message itself is acted on.
 * @throws Refused `invalid-request`, `not-the-peer`, and `stale-epoch` where the route says so
 */
export const notePeerEpoch = async (c: HttpContext, node: Node, route: Route): Promise<void> => {
  const text = c.req.header(EPOCH);
  // A person who uses the peer's key with curl sends no epoch.
  if (text === undefined) return;
  const epoch = parseEpoch(text);
  if (epoch === undefined) {
    throw new Refused(
      'invalid-request',
      `${EPOCH} must be a whole number`,
      'send the epoch that GET /status of the sending node shows, or leave the header out',
      { value: text },
    );
  }
  assertNearEpoch(epoch, node.state.current.epoch);
  const counts = await checkSender(node, {
    instance: c.req.header(INSTANCE),
    isReading: isQuestion(route),
    isBackup: route.bringsBackup === true,
  });
  if (!counts) return;
  await noteEpoch(node, epoch);
  const mine = node.state.current.epoch;
  if (!route.refusesStaleEpoch || epoch >= mine) return;
  throw new Refused(
    'stale-epoch',
    `the sender is at epoch ${epoch}, ${node.settings.nodeName} at ${mine}`,
    'the sender is superseded: it stands down by itself and gets the data by failback',
    { value: epoch },
  );
};
