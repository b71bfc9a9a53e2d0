/**
 * The versions of the agents' messages to each other that this one understands. A field that is added is no new version:
 * peers ignore fields that they do not know. A new meaning is one.
 */
const PROTOCOL = { oldest: 1, newest: 1 } as const;

/** How an agent asks the other one to leave HTTP, for a replication connection in the frames of the tunnel. */
export const REPLICATION_UPGRADE = { path: '/replication', protocol: 'postgresql' };

/** As in the header Coldspare-Protocol. */
export const formatProtocol = ({ oldest, newest }: { oldest: number; newest: number } = PROTOCOL) =>
  `${oldest}-${newest}`;

/** Whether a sender with this header can be understood. Agents from before there was one speak version 1. */
export const speaksOurs = (header = '1-1'): boolean => {
  const [, oldest, newest] = /^(\d{1,6})-(\d{1,6})$/.exec(header) ?? [];
  return Number(oldest) <= PROTOCOL.newest && Number(newest) >= PROTOCOL.oldest;
};
