import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { Refused, toColdspareError } from '../../domain/errors.js';
import type { Log } from '../../ports/log.js';
import type { Connect, Tunnels } from '../../ports/tunnels.js';
import { type Ends, type Joined, join, PATIENCE, type Patience } from './join.js';
import { openSocket, type ReplicationSocket, type SocketPlace } from './socket.js';
import { errorResponse, StartupGate } from './startup.js';

/** A base backup takes two, a standby one. PostgreSQL itself has ten by default. */
const PLACES = 8;

interface TunnelOptions extends SocketPlace {
  log: Log;
  patience?: Patience;
}

export const createTunnels = ({ log, patience = PATIENCE, ...place }: TunnelOptions): Tunnels => {
  const open = new Map<Joined, { since: number; ends: Ends }>();
  const dials = new Set<AbortController>();
  const ended = { sent: 0, received: 0 };
  /** Places taken, also by what still connects. */
  let taken = 0;
  let socket: ReplicationSocket | undefined;
  /** What the last dial failed with: PostgreSQL dials every few seconds. */
  let refusal: string | undefined;

  const take = async (connect: Connect, signal: AbortSignal): Promise<Duplex> => {
    if (taken >= PLACES) throw allTaken();
    taken += 1;
    try {
      return await connect(signal);
    } catch (error) {
      taken -= 1;
      throw error;
    }
  };

  const carry = async (ends: Ends): Promise<void> => {
    const joined = join(ends, patience);
    open.set(joined, { since: Date.now(), ends });
    log.info({ open: open.size }, 'a replication connection is open');
    await joined.closed;
    open.delete(joined);
    taken -= 1;
    const { sent, received } = joined;
    ended.sent += sent;
    ended.received += received;
    log.info({ open: open.size, sent, received }, 'a replication connection has ended');
  };

  const dialFor = async (local: Socket, dial: Connect): Promise<void> => {
    const gone = new AbortController();
    dials.add(gone);
    local.once('close', () => gone.abort(new Error('PostgreSQL has closed its connection')));
    try {
      const remote = await take(dial, gone.signal);
      refusal = undefined;
      await carry({ remote, local });
    } catch (thrown) {
      if (!gone.signal.aborted) refuse(local, thrown);
    } finally {
      dials.delete(gone);
    }
  };

  const refuse = (local: Socket, thrown: unknown): void => {
    const { code, message, remedy } = toColdspareError(thrown);
    if (refusal !== message)
      log.warn({ code, remedy }, `replication cannot connect to the other node: ${message}`);
    refusal = message;
    // Its request has to be read, or the answer would be lost in a reset.
    local.resume();
    local.end(errorResponse(thrown));
    local.setTimeout(patience.linger, () => local.destroy());
  };

  return {
    open: async (connect, signal) => {
      const local = await take(connect, signal);
      return (remote) =>
        void carry({ remote, local, gate: new StartupGate(), answer: errorResponse });
    },
    listen: async (dial) => {
      socket = await openSocket(place, (local) => void dialFor(local, dial));
    },
    account: () => {
      const now = [...open].map(([{ sent, received }, { since }]) => ({ since, sent, received }));
      return {
        open: now,
        sent: sum(now.map(({ sent }) => sent)) + ended.sent,
        received: sum(now.map(({ received }) => received)) + ended.received,
      };
    },
    close: async () => {
      for (const dial of dials) dial.abort(new Error('the agent stops'));
      for (const { ends } of open.values()) {
        ends.remote.destroy();
        ends.local.destroy();
      }
      await Promise.all([socket?.close(), ...[...open.keys()].map(({ closed }) => closed)]);
    },
  };
};

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);

const allTaken = (): Refused =>
  new Refused(
    'busy',
    `${PLACES} replication connections are open, and there are no more`,
    "end those that nobody needs: SELECT pid, application_name, client_addr FROM pg_stat_replication on the primary's database",
    { value: PLACES },
  );
