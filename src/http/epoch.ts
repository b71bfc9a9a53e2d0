import { Refused } from '../domain/errors.js';
import type { Node } from '../operations/node.js';
import { noteEpoch } from '../operations/note-epoch.js';
import type { HttpContext, Route } from './route.js';

/** Sent with every message between agents: the sender's epoch. */
const EPOCH = 'Coldspare-Epoch';

/** The role as others see it. A yielding node is a primary until the other node has taken over. */
export const roleOf = ({ state }: Node): 'primary' | 'standby' =>
  state.current.mode === 'standby' ? 'standby' : 'primary';

/** Who answers, and its epoch: a sender that is behind learns it from the answer. */
export const setEpochHeaders = (c: HttpContext, node: Node): void => {
  c.header(EPOCH, String(node.state.current.epoch));
  c.header('Coldspare-Node', node.settings.nodeName);
  c.header('Coldspare-Role', roleOf(node));
};

/**
 * Notes the epoch of the peer's message, before the message itself is acted on.
 * @throws Refused `invalid-request`, and `stale-epoch` where the route says so
 */
export const notePeerEpoch = async (c: HttpContext, node: Node, route: Route): Promise<void> => {
  const text = c.req.header(EPOCH);
  // A person who uses the peer's key with curl sends no epoch.
  if (text === undefined) return;
  if (!/^\d{1,15}$/.test(text)) {
    throw new Refused(
      'invalid-request',
      `${EPOCH} must be a whole number`,
      'send the epoch that GET /status of the sending node shows, or leave the header out',
      { value: text },
    );
  }
  const epoch = Number(text);
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
