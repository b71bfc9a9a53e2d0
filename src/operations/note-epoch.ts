import type { TakeBackCommand } from '../domain/commands.js';
import { isReady } from '../serve/serving.js';
import type { Booter } from './boot/boot.js';
import type { Node } from './node.js';
import { planTakeBack } from './promote/take-back.js';
import { standDownIfDue } from './stand-down/stand-down.js';

/** Milliseconds. After that the guard makes this node stand down. */
const TAKE_BACK_TIMEOUT = 120_000;

/**
 * Called with the epoch of every message between agents. A primary that hears of a higher epoch is superseded at once:
 * the role changes on disk first, and nothing starts the app after that. One that has served until now asks for the role
 * back, in case nobody has used the takeover. If that comes to nothing, the guard makes it stand down.
 */
export const noteEpoch = async (
  node: Booter & Pick<Node, 'runner' | 'notifier'>,
  epoch: number,
): Promise<void> => {
  const hasServed = isReady(node);
  const { epoch: mine, promotion, failbackDue } = node.state.current;
  if (!(await node.leadership.noteEpoch(epoch))) return;
  const backup = promotion?.epoch === mine ? promotion.backup : null;
  const next = hasServed
    ? takeBack(node, { epoch: mine, backup, failbackDue })
    : standDownIfDue(node);
  // Not awaited: the operation that heard the message may be the one that now has to end.
  next.catch((error: unknown) => node.log.error({ error }, 'could not stand down'));
};

const takeBack = async (
  node: Booter & Pick<Node, 'runner' | 'notifier'>,
  command: TakeBackCommand,
): Promise<void> => {
  const { id } = await node.runner.start(planTakeBack(node, command), { source: 'agent' });
  await node.runner.wait(id, TAKE_BACK_TIMEOUT);
  await standDownIfDue(node);
};
