import { Readable } from 'node:stream';
import type { Drivers } from '../../src/agent/create-node.js';
import { commitBackup, confirmBackup, receiveBackup } from '../../src/backups/receive.js';
import { ColdspareError, Refused, toColdspareError } from '../../src/domain/errors.js';
import type { OperationRecord } from '../../src/domain/operation.js';
import { request } from '../../src/operations/commands.js';
import type { Node } from '../../src/operations/node.js';
import { noteEpoch } from '../../src/operations/note-epoch.js';
import { cancelOperation, requestFence, requestTakeOver } from '../../src/operations/requests.js';
import type { Peer } from '../../src/peer/peer.js';
import { checkSender } from '../../src/peer/sender.js';
import { nodeStatus } from '../../src/status/node-status.js';
import type { Life } from './life.js';
import { type Callee, type Network, type Site, unreachable } from './network.js';
import type { Random } from './random.js';
import type { Timeline } from './timeline.js';

/** An agent that listens. */
interface Listener extends Callee {
  node: Node;
}

export interface PeerOptions {
  timeline: Timeline;
  random: Random;
  network: Network;
  life: Life;
  from: Site;
  to: Site;
  /** The other agent, when it listens. */
  find: () => Listener | undefined;
  /** Milliseconds for `status`. */
  statusTimeout: number;
}

/** As the route of the same name says (src/http/routes). */
interface Kind {
  refusesStaleEpoch?: true;
  bringsBackup?: true;
  isReading?: true;
}

interface Message extends Kind {
  epoch: number;
  instance: string;
}

interface Ask<T> extends Kind {
  timeout?: number;
  mayRepeat?: true;
  serve: (node: Node) => Promise<T> | T;
}

/** As in src/drivers/http-peer.ts. */
const CALL = 15_000;
const FENCE = 100_000;

/** The other agent as one run of an agent reaches it. It does with a message what src/http does with a request. */
export const createPeer =
  ({
    timeline,
    random,
    network,
    life,
    from,
    to,
    find,
    statusTimeout,
  }: PeerOptions): Drivers['connectPeer'] =>
  (link): Peer => {
    const ask = async <T>({ timeout = CALL, serve, mayRepeat, ...route }: Ask<T>): Promise<T> => {
      const epoch = link.epoch();
      const answer = await network.call({
        caller: life,
        from,
        to,
        timeout,
        callee: find,
        mayRepeat: mayRepeat ?? false,
        serve: async ({ node }: Listener) => {
          const message = { ...route, epoch, instance: link.instance };
          const outcome = await hearAndServe(node, message, serve);
          return { ...outcome, epoch: node.state.current.epoch };
        },
      });
      await link.onEpoch(answer.epoch);
      if ('error' in answer) throw refusal(answer.error);
      return answer.value;
    };
    const copied = (record: OperationRecord): OperationRecord => structuredClone(record);

    return {
      status: () =>
        ask({
          timeout: statusTimeout,
          isReading: true,
          serve: (node) => {
            const status = nodeStatus(node);
            return { ...status, operation: status.operation && copied(status.operation) };
          },
        }),
      instance: () =>
        network.call({
          ...{ caller: life, from, to, timeout: statusTimeout, callee: find, mayRepeat: false },
          serve: async ({ node }: Listener) => node.instance,
        }),
      fence: (operation, epoch) =>
        ask({
          timeout: FENCE,
          refusesStaleEpoch: true,
          mayRepeat: true,
          serve: (node) => requestFence(node, { operation, epoch }),
        }),
      fenceUnused: (operation, epoch, unusedBeside) =>
        ask({
          timeout: FENCE,
          refusesStaleEpoch: true,
          mayRepeat: true,
          serve: (node) => requestFence(node, { operation, epoch, unusedBeside }),
        }),
      rescue: (rescue) =>
        ask({
          mayRepeat: true,
          serve: async (node) =>
            copied(await request(node, 'backup', { reason: '', rescue }, { source: 'peer' })),
        }),
      takeOver: (operation, epoch, backup) =>
        ask({
          refusesStaleEpoch: true,
          mayRepeat: true,
          serve: async (node) =>
            copied(await requestTakeOver(node, { operation, epoch, ...(backup && { backup }) })),
        }),
      requestHandover: (reason) =>
        ask({
          mayRepeat: true,
          serve: async (node) =>
            copied(await request(node, 'demote', { reason, dryRun: false }, { source: 'peer' })),
        }),
      operation: (id) =>
        ask({
          isReading: true,
          serve: (node) => {
            const record = node.runner.get(id);
            return record && copied(record);
          },
        }),
      cancel: (id) =>
        ask({ mayRepeat: true, serve: async (node) => copied(await cancelOperation(node, id)) }),
      backup: (id) =>
        ask({
          isReading: true,
          serve: (node) => node.backups.list().find((backup) => backup.id === id),
        }),
      received: (id) => ask({ isReading: true, serve: (node) => node.backups.uploaded(id) }),
      upload: async (id, content, { from: first, bytes = 0 }, signal) => {
        const chunks = await collect(content);
        signal.throwIfAborted();
        const upload = ask({
          timeout: 60_000,
          refusesStaleEpoch: true,
          bringsBackup: true,
          serve: (node) => receiveBackup(node, id, paced(chunks), { from: first, bytes }),
        });
        return Promise.race([upload, aborted(signal)]);

        /** The chunks as they come through: while the link holds and somebody sends them. */
        function paced(rest: Buffer[]): Readable {
          const stream = new Readable({ read() {} });
          // Nobody listens to it when the upload was refused.
          stream.on('error', () => {});
          const next = (index: number) => {
            if (life.hasEnded || signal.aborted || !network.passes(from, to)) {
              timeline.after(1_000, () => stream.destroy(unreachable('the upload broke off')));
              return;
            }
            // Something between the two may end it too early without saying so.
            const isCut = random.chance(network.lossRate);
            const chunk = isCut ? undefined : rest[index];
            stream.push(chunk ?? null);
            if (chunk !== undefined)
              timeline.after(random.between(1, 20 * network.slowest), () => next(index + 1));
          };
          timeline.after(random.between(1, network.slowest), () => next(0));
          return stream;
        }
      },
      confirm: (id, at) =>
        ask({
          refusesStaleEpoch: true,
          bringsBackup: true,
          mayRepeat: true,
          serve: (node) => confirmBackup(node, id, at),
        }),
      openReplication: async () => {
        throw unreachable(to);
      },
      commit: async (manifest) => {
        await ask({
          timeout: 60_000,
          refusesStaleEpoch: true,
          bringsBackup: true,
          mayRepeat: true,
          serve: (node) => commitBackup(node, manifest),
        });
      },
    };
  };

/** As src/http does with every request of the peer. */
export const hearAndServe = async <T>(
  node: Node,
  message: Message,
  serve: (node: Node) => Promise<T> | T,
): Promise<{ value: T } | { error: unknown }> => {
  const { epoch, instance, refusesStaleEpoch, bringsBackup = false, isReading = false } = message;
  try {
    if (await checkSender(node, { instance, isReading, isBackup: bringsBackup }))
      await noteEpoch(node, epoch);
    if (refusesStaleEpoch && epoch < node.state.current.epoch)
      throw new Refused('stale-epoch', `epoch ${epoch} is past`, 'the sender is superseded');
    return { value: await serve(node) };
  } catch (error) {
    return { error };
  }
};

const refusal = (error: unknown): ColdspareError => {
  const { code, message, remedy } = toColdspareError(error);
  return new ColdspareError('peer-refused', `the other node refused: ${message}`, remedy, {
    value: code,
  });
};

const collect = async (content: Readable): Promise<Buffer[]> => {
  const chunks: Buffer[] = [];
  for await (const chunk of content) chunks.push(chunk);
  return chunks;
};

const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
