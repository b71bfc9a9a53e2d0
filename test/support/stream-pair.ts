import type { NodeStatus } from '../../src/domain/status.js';
import type { Operated } from './operated.js';
import {
  eventually,
  type Machine,
  type Pair,
  type PairOptions,
  serves,
  startPair,
} from './pair.js';
import { TcpGate } from './tcp-gate.js';

/** A pair whose standby is kept by streaming. */
export interface StreamPair extends Pair {
  /** The way to each machine's database, for replication alone. */
  to: Record<'vcl2' | 'vcl3', TcpGate>;
  /** Starts the agent of a machine with its settings. */
  start(machine: Machine): Promise<void>;
}

/** The two machines of `startPair` with REPLICATION=stream. Returns once VCL2 serves, and VCL3 is its replica. */
export const startStreamPair = async (options: PairOptions = {}): Promise<StreamPair> => {
  const env = { CHECK_TIMEOUT: '3s', ...options.env };
  const pair = await startPair({ ...options, env, start: false });
  const { vcl2, vcl3 } = pair;
  const to = {
    vcl2: await TcpGate.to(vcl2.database.port),
    vcl3: await TcpGate.to(vcl3.database.port),
  };
  const start = (machine: Machine) =>
    machine.agent.start({
      REPLICATION: 'stream',
      REPLICATION_ADDRESS: `127.0.0.1:${(machine === vcl2 ? to.vcl3 : to.vcl2).port}`,
    });
  const streamPair: StreamPair = {
    ...pair,
    to,
    start,
    remove: async () => {
      await pair.remove();
      await Promise.all([to.vcl2.close(), to.vcl3.close()]);
    },
  };
  if (options.start === false) return streamPair;
  try {
    await Promise.all([start(vcl2), start(vcl3)]);
    await serves(vcl2);
    await streams(vcl3);
  } catch (error) {
    await streamPair.remove();
    throw error;
  }
  return streamPair;
};

export const replicationOf = async ({
  agent,
}: Operated): Promise<NonNullable<NodeStatus['replication']>> => {
  const { replication } = await agent.status();
  if (replication === undefined) throw new Error(`${agent.name} does not stream`);
  return replication;
};

/** Waits until the machine is a standby whose database receives the primary's log, and nothing is left to do. */
export const streams = (machine: Operated, timeout = 90_000): Promise<unknown> =>
  eventually(
    `${machine.agent.name} streams`,
    async () => {
      const { mode, operation, replication } = await machine.agent.status();
      return mode === 'standby' && operation === null && replication?.state === 'streaming';
    },
    timeout,
  );

/** What the database of a machine has, without its app. */
export const rowsOf = async ({ database }: Machine): Promise<string[]> =>
  (await database.psql('SELECT text FROM entries ORDER BY id', 'ledger')).trim().split('\n');

/** Waits until the replica shows this entry. */
export const hasReplayed = (machine: Machine, text: string): Promise<unknown> =>
  eventually(`${machine.agent.name} has replayed "${text}"`, async () =>
    (await rowsOf(machine)).includes(text),
  );
