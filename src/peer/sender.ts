import { Refused } from '../domain/errors.js';
import type { Notifier } from '../ports/notifier.js';
import type { Peer } from './peer.js';
import type { PeerView } from './peer-view.js';

interface Receiver {
  settings: { nodeName: string; peerUrl: string };
  peer: Pick<Peer, 'instance'>;
  peerView: PeerView;
  notifier: Notifier;
}

interface Message {
  /** Which run of which agent sends it; undefined from an agent of before. */
  instance: string | undefined;
  /** It asks only, and changes nothing here. */
  isReading: boolean;
  /** It brings a backup, which takes the place of an older one. */
  isBackup: boolean;
}

/**
 * A cloned machine has the key, the name and the role of the peer. But what PEER_URL leads to is the only sender that
 * counts (H37). Every start of an agent has an instance of its own, which a clone does not keep. Resolves to whether the
 * sender's epoch counts.
 * @throws Refused `not-the-peer`
 */
export const checkSender = async (node: Receiver, message: Message): Promise<boolean> => {
  const sender = await identify(node, message);
  if (sender === 'peer') return true;
  // Without an answer of PEER_URL nobody can tell. One way of the link may be missing from the beginning (H03).
  const isRefused =
    sender === 'stranger' || (message.isBackup && node.peerView.instance !== undefined);
  if (!isRefused) return true;
  if (sender === 'stranger') announceOnce(node, message.instance);
  if (message.isReading) return false;
  const { nodeName, peerUrl } = node.settings;
  throw new Refused(
    'not-the-peer',
    sender === 'stranger'
      ? `${nodeName} has another agent at its PEER_URL, ${peerUrl}, than the one that sends this`
      : `${nodeName} cannot ask at its PEER_URL, ${peerUrl}, whether this comes from its peer`,
    'if this machine is a clone, stop its agent; if it has taken the place of the old one, let PEER_URL of the other node lead here',
  );
};

const identify = async (
  { peer, peerView }: Receiver,
  { instance, isReading }: Message,
): Promise<'peer' | 'stranger' | 'unknown'> => {
  if (instance === peerView.instance) return 'peer';
  // Our way to the peer may be the one that is cut. It waits for our answer, and would take us for dead.
  if (isReading && peerView.last !== undefined && 'error' in peerView.last.value) return 'unknown';
  try {
    const actual = await peer.instance();
    if (actual === instance) {
      peerView.instance = instance;
      return 'peer';
    }
    // An agent of before does not say, or something in between has taken it out.
    return actual === undefined ? 'unknown' : 'stranger';
  } catch {
    return 'unknown';
  }
};

const announceOnce = (
  { settings, peerView, notifier }: Receiver,
  instance: string | undefined,
): void => {
  if (peerView.stranger?.instance === instance && peerView.stranger !== undefined) return;
  peerView.stranger = { instance };
  notifier.announce({
    event: 'not-the-peer',
    severity: 'critical',
    message: `${settings.nodeName} refuses an agent that has the peer's key, but is not the one at ${settings.peerUrl}`,
    remedy:
      'find the clone of the other machine and stop its agent; or set PEER_URL, if the other node has moved',
  });
};
