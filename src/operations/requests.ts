import type { FenceAnswer } from '../domain/answers.js';
import type {
  FenceCommand,
  PauseCommand,
  PromoteCommand,
  TakeOverCommand,
} from '../domain/commands.js';
import { ColdspareError, isError, Refused } from '../domain/errors.js';
import { hasEnded, type OperationRecord } from '../domain/operation.js';
import { isoNow } from '../ports/clock.js';
import { assertMayFence, planFence } from './accept-fence/accept-fence.js';
import { COMMANDS } from './commands.js';
import type { Node } from './node.js';
import { assertMayPromote } from './promote/promote.js';
import { planTakeOver } from './promote/take-over.js';

/** How long a fence may take before the peer is told that it failed: longer than an app is given to stop. Milliseconds. */
const FENCE_TIMEOUT = 150_000;

/** Between two questions about the peer's operation. Milliseconds. */
const PEER_PAUSE = 500;

/** Asks the primary to hand over to this node; the operation is the primary's, which knows it by its key. */
export const requestPlannedPromote = async (
  node: Node,
  command: PromoteCommand,
  idempotencyKey?: string,
): Promise<OperationRecord> => {
  const ask = () => node.peer.requestHandover(command.reason, idempotencyKey);
  try {
    assertMayPromote(node, command);
  } catch (refusal) {
    if (idempotencyKey === undefined || !isError(refusal, 'already-primary')) throw refusal;
    // By the very operation that is asked for again, maybe. A standby hands nothing over, so asking is safe.
    return ask().catch(() => {
      throw refusal;
    });
  }
  return ask();
};

/** The peer's operation when it has ended, or as it was seen last within `ms` milliseconds. */
export const waitForPeerOperation = async (
  { clock, peer }: Node,
  id: string,
  ms: number,
): Promise<OperationRecord | undefined> => {
  const deadline = clock.elapsed() + ms;
  let seen: OperationRecord | undefined;
  for (;;) {
    // It may be out of reach for a moment: what it does goes on.
    seen = (await peer.operation(id).catch(() => undefined)) ?? seen;
    const left = deadline - clock.elapsed();
    if ((seen !== undefined && hasEnded(seen)) || left <= 0) return seen;
    await clock.sleep(Math.min(PEER_PAUSE, left));
  }
};

/** The peer takes over: stops serving here before the answer. @throws ColdspareError `app-failed` when it could not */
export const requestFence = async (node: Node, command: FenceCommand): Promise<FenceAnswer> => {
  assertMayFence(node, command);
  if (node.state.current.mode === 'standby') {
    return { mode: 'standby', detail: `${node.settings.nodeName} is a standby already` };
  }
  const deadline = node.clock.elapsed() + FENCE_TIMEOUT;
  let record = await fence(node, command, deadline);
  if (record?.error?.code === 'disk-full' && (await node.ballast.drop()))
    record = await fence(node, command, deadline);
  if (record?.state === 'done') {
    const steps = record.steps.map(({ name, detail }) => detail ?? name).join(', ');
    return {
      mode: node.state.current.mode,
      detail: `${node.settings.nodeName} stopped serving: ${steps}`,
    };
  }
  throw new ColdspareError(
    'app-failed',
    `${node.settings.nodeName} could not stop serving: ${record?.error?.message ?? 'it is still trying'}`,
    'stop its app by hand, then ask again; when its disk takes no writes, stop its agent as well or cut its power',
    { value: record?.id },
  );
};

/** The fence of an attempt that the peer has given up may still be stopping the app: it promised nothing to this one. */
const fence = async (
  node: Node,
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
  COMMANDS['take-over'].check(node, command);
  const asked = { source: 'peer' as const, id: command.operation };
  const record = await node.runner.start(planTakeOver(node, command), asked);
  if (record.id === command.operation) return record;
  // A takeover of our own, which knows nothing of the handover's last backup.
  throw new Refused(
    'busy',
    `${node.settings.nodeName} takes over by itself in ${record.id}`,
    `GET /operations/${record.id} follows it`,
    { value: record.id },
  );
};

/**
 * Makes sure that an operation never commits, unless it has. One that nobody heard of yet is written down as
 * refused, so that a request for it that is still on its way finds it ended.
 */
export const cancelOperation = async (node: Node, id: string): Promise<OperationRecord> => {
  const known = await node.runner.cancel(id, 'asked to');
  if (known !== undefined) return known;
  const at = isoNow(node);
  const never: OperationRecord = {
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
  await node.runner.close(never, never);
  return never;
};

/** No failover and no failback by themselves for some minutes; at most a week, so that nobody forgets it. */
export const pause = async (node: Node, { minutes, reason }: PauseCommand): Promise<void> => {
  const until = new Date(node.clock.now() + minutes * 60_000).toISOString();
  await node.state.update({ pause: { until, reason } });
};

export const unpause = (node: Node): Promise<void> => node.state.update({ pause: null });
