import type { FenceAnswer } from '../domain/answers.js';
import type {
  FenceCommand,
  PauseCommand,
  PromoteCommand,
  Served,
  TakeOverCommand,
} from '../domain/commands.js';
import { ColdspareError, isError, Refused } from '../domain/errors.js';
import { hasEnded, type OperationRecord } from '../domain/operation.js';
import { printable } from '../domain/printable.js';
import { assertNearEpoch } from '../domain/transitions.js';
import { isoNow } from '../ports/clock.js';
import { assertUnused, isUnused } from '../serve/unused.js';
import { assertMayFence, type Fenceable, planFence } from './accept-fence/accept-fence.js';
import { COMMANDS } from './commands.js';
import type { Node } from './node.js';
import { assertMayPromote } from './promote/promote.js';
import { planTakeOver } from './promote/take-over.js';

/** Milliseconds after which the peer is told that a fence failed. Longer than an app may take to stop. */
const FENCE_TIMEOUT = 150_000;

/** Milliseconds between two questions about the peer's operation. */
const PEER_PAUSE = 500;

type FencedNode = Fenceable & Pick<Node, 'runner'>;

/** Asks the primary to hand over to this node. The operation runs on the primary, which has the idempotency key. */
export const requestPlannedPromote = async (
  node: Pick<Node, 'settings' | 'state' | 'peer' | 'clock'>,
  command: PromoteCommand,
  idempotencyKey?: string,
): Promise<OperationRecord> => {
  const ask = () => node.peer.requestHandover(command.reason, idempotencyKey);
  try {
    assertMayPromote(node, command);
  } catch (refusal) {
    if (idempotencyKey === undefined || !isError(refusal, 'already-primary')) throw refusal;
    // It may be primary through the operation that is requested again. Asking is safe: a standby has no role to hand
    // over.
    return ask().catch(() => {
      throw refusal;
    });
  }
  return ask();
};

/** Resolves to the peer's operation when it has ended, or to its last known record after `ms` milliseconds. */
export const waitForPeerOperation = async (
  { clock, peer }: Pick<Node, 'clock' | 'peer'>,
  id: string,
  ms: number,
): Promise<OperationRecord | undefined> => {
  const deadline = clock.elapsed() + ms;
  let seen: OperationRecord | undefined;
  for (;;) {
    // The peer may be out of reach for a moment. Its operation goes on.
    seen = (await peer.operation(id).catch(() => undefined)) ?? seen;
    const left = deadline - clock.elapsed();
    if ((seen !== undefined && hasEnded(seen)) || left <= 0) return seen;
    await clock.sleep(Math.min(PEER_PAUSE, left));
  }
};

/** Stops serving, because the peer takes over. Answers once it has. @throws ColdspareError `app-failed` when it could not */
export const requestFence = async (
  node: FencedNode & Pick<Node, 'settings' | 'backups'>,
  command: FenceCommand,
): Promise<FenceAnswer> => {
  assertMayFence(node, command);
  if (node.state.current.mode === 'standby') {
    return { mode: 'standby', detail: `${node.settings.nodeName} is a standby already` };
  }
  const { unusedBeside } = command;
  if (unusedBeside) await assertGivesWay(node, unusedBeside);
  const deadline = node.clock.elapsed() + FENCE_TIMEOUT;
  const record = await fence(node, command, deadline);
  if (record?.state === 'done') {
    const steps = record.steps.map(({ name, detail }) => detail ?? name).join(', ');
    return {
      mode: node.state.current.mode,
      detail: `${node.settings.nodeName} stopped serving: ${steps}`,
      ...(unusedBeside && { unused: await isStillUnused(node, unusedBeside) }),
    };
  }
  throw new ColdspareError(
    'app-failed',
    `${node.settings.nodeName} could not stop serving: ${record?.error?.message ?? 'it is still trying'}`,
    'stop its app by hand, then ask again; when its disk takes no writes, stop its agent as well or power it off',
    { value: record?.id },
  );
};

/** @throws Refused `superseded`; `busy` while the app starts, which may be all that writes */
const assertGivesWay = async (
  node: Parameters<typeof isStillUnused>[0] & Pick<Node, 'runner'>,
  served: Served,
): Promise<void> => {
  const { current } = node.runner;
  await assertUnused(node, served).catch((refusal: unknown) => {
    if (current?.kind !== 'promote') throw refusal;
    throw new Refused('busy', `${current.id} has not ended yet`, 'ask again when it has ended');
  });
};

/** For a frozen database. Counting its writes ends its sessions, and makes them report what they wrote. */
const isStillUnused = async (
  node: Pick<Node, 'settings' | 'state' | 'stack' | 'backups'>,
  served: Served,
): Promise<boolean> => {
  await node.stack.database.writes();
  return isUnused(node, served);
};

/** Runs the fence, after a fence for an earlier attempt of the peer that is still stopping the app. */
const fence = async (
  node: FencedNode,
  command: FenceCommand,
  deadline: number,
): Promise<OperationRecord | undefined> => {
  const { runner, clock } = node;
  for (;;) {
    const started = await runner.start(planFence(node, command), { source: 'peer' });
    const record = await runner.wait(started.id, deadline - clock.elapsed());
    const isOurs = started.command.operation === command.operation;
    if (isOurs || record === undefined || !hasEnded(record)) return record;
  }
};

/** The second half of the peer's handover. Safe to repeat: the peer names the operation. */
export const requestTakeOver = async (
  node: Node,
  command: TakeOverCommand,
): Promise<OperationRecord> => {
  const known = node.runner.get(command.operation);
  if (known !== undefined) return known;
  assertNearEpoch(command.epoch, node.state.current.epoch);
  COMMANDS['take-over'].check(node, command);
  const asked = { source: 'peer' as const, id: command.operation };
  const record = await node.runner.start(planTakeOver(node, command), asked);
  if (record.id === command.operation) return record;
  // This node runs a takeover of its own, which does not use the handover's last backup.
  throw new Refused(
    'busy',
    `${node.settings.nodeName} takes over by itself in ${record.id}`,
    `GET /operations/${record.id} follows it`,
    { value: record.id },
  );
};

/**
 * Makes sure that an operation never commits, unless it has. An unknown one is recorded as refused, so that a request
 * that is still on its way finds it ended.
 */
export const cancelOperation = async (
  node: Pick<Node, 'runner' | 'state' | 'clock'>,
  id: string,
): Promise<OperationRecord> => {
  const known = await node.runner.cancel(id, 'on request');
  if (known !== undefined) return known;
  const at = isoNow(node);
  const cancelled: OperationRecord = {
    id,
    kind: 'promote',
    state: 'refused',
    committed: false,
    reason: 'withdrawn before it began',
    source: 'peer',
    epoch: node.state.current.epoch,
    startedAt: at,
    endedAt: at,
    steps: [],
    result: null,
    error: {
      code: 'cancelled',
      message: 'withdrawn by the other node before it began',
      remedy: 'nothing to do',
    },
    command: {},
    attempt: 1,
  };
  await node.runner.close(cancelled, cancelled);
  return cancelled;
};

/** Turns automatic failover and failback off for some minutes, at most a week. */
export const pause = async (
  node: Pick<Node, 'state' | 'clock'>,
  { minutes, reason }: PauseCommand,
): Promise<void> => {
  const until = new Date(node.clock.now() + minutes * 60_000).toISOString();
  await node.state.update({ pause: { until, reason: printable(reason) } });
};

export const unpause = ({ state }: Pick<Node, 'state'>): Promise<void> =>
  state.update({ pause: null });
