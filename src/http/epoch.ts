import { Refused } from '../domain/errors.js';
import type { Node } from '../operations/node.js';
import { noteEpoch } from '../operations/note-epoch.js';
import type { HttpContext, Route } from './route.js';

/** Every message between agents carries the sender's epoch. */
const EPOCH = 'Coldspare-Epoch';

/** The role as others see it: a yielding node is a primary until the other one has taken over. */
export const roleOf = ({ state }: Node): 'primary' | 'standby' =>
  state.current.mode === 'standby' ? 'standby' : 'primary';

/** Who answers, and from which epoch: the answer teaches a sender that is behind. */
export const setEpochHeaders = (c: HttpContext, node: Node): void => {
  c.header(EPOCH, String(node.state.current.epoch));
  c.header('Coldspare-Node', node.settings.nodeName);
  c.header('Coldspare-Role', roleOf(node));
};

/**
 * Takes in the epoch of the peer's message before anything is done about the message itself.
 * @throws Refused `invalid-request`, and `stale-epoch` where the route says so
 */
export const hearEpoch = async (c: HttpContext, node: Node, route: Route): Promise<void> => {
  const text = c.req.header(EPOCH);
  // A person with the peer's key and curl has no epoch.
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
