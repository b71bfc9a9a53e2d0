import type { Clock } from '../../ports/clock.js';
import type { Log } from '../../ports/log.js';
import type { ChannelFailure } from '../../ports/notifier.js';
import { type Channel, DeliveryError, type Message } from './channel.js';

/** Lengths of time are milliseconds. */
export interface Patience {
  /** For one try. */
  timeout: number;
  /** Between two tries: doubling from the first to the longest, or what the other side asks for. */
  firstPause: number;
  longestPause: number;
  /** A message that is older is news no more. */
  giveUpAfter: number;
  /** Messages that wait; beyond that the oldest goes. */
  most: number;
}

interface Waiting {
  message: Message;
  /** `clock.elapsed()` when it was announced. */
  since: number;
}

export interface Delivery {
  /** Adds a message to the queue. Never throws or waits. */
  add(message: Message): void;
  /** Sends a message now, beside the queue. Resolves to why it was not taken, or null. Never rejects. */
  test(message: Message): Promise<string | null>;
  /** Null when the last message was taken; undefined before the first one. */
  failure(): ChannelFailure | null | undefined;
}

/**
 * The queue of one channel, so that a deaf one holds up no other: in order, one at a time, tried again with growing
 * pauses.
 */
export const createDelivery = (
  channel: Channel,
  { clock, log }: { clock: Clock; log: Log },
  patience: Patience,
): Delivery => {
  const queue: Waiting[] = [];
  let isAtWork = false;
  let last: ChannelFailure | null | undefined;

  const note = (failure: Failure | undefined, isFinal = failure?.isFinal ?? false): void => {
    const since = last?.since ?? clock.now();
    last =
      failure === undefined ? null : { channel: channel.name, why: failure.why, since, isFinal };
  };

  const give = async ({ message, since }: Waiting): Promise<void> => {
    const told = { to: channel.name, event: message.event };
    for (let attempt = 0; ; attempt += 1) {
      const failure = await tryOnce(channel, message, patience.timeout);
      note(failure);
      if (failure === undefined) return;
      const { why, isFinal, retryAfter } = failure;
      if (isFinal) return log.error({ ...told, why }, REFUSED);
      const pause = Math.max(
        retryAfter ?? 0,
        Math.min(patience.firstPause * 2 ** attempt, patience.longestPause),
      );
      if (clock.elapsed() + pause - since > patience.giveUpAfter) {
        note(failure, true);
        return log.error({ ...told, why }, 'an announcement was not delivered: given up');
      }
      if (attempt === 0)
        log.warn({ ...told, why }, 'an announcement was not delivered; it is tried again');
      await clock.sleep(pause);
    }
  };

  const work = async (): Promise<void> => {
    isAtWork = true;
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) await give(next);
    isAtWork = false;
  };

  const add = (message: Message): void => {
    queue.push({ message, since: clock.elapsed() });
    if (queue.length > patience.most) {
      const dropped = queue.shift();
      log.error(
        { to: channel.name, event: dropped?.message.event },
        'an announcement was not delivered: too many are waiting',
      );
    }
    if (!isAtWork) void work();
  };

  const test = async (message: Message): Promise<string | null> => {
    const failure = await tryOnce(channel, message, patience.timeout);
    note(failure, failure !== undefined);
    return failure?.why ?? null;
  };

  return { add, test, failure: () => last };
};

const REFUSED =
  'an announcement was not delivered: the channel refuses it; check its URL in NOTIFY_URLS';

interface Failure {
  why: string;
  isFinal: boolean;
  retryAfter?: number | undefined;
}

const tryOnce = async (
  channel: Channel,
  message: Message,
  timeout: number,
): Promise<Failure | undefined> => {
  try {
    await channel.deliver(message, AbortSignal.timeout(timeout));
    return undefined;
  } catch (error) {
    if (error instanceof DeliveryError)
      return { why: error.message, isFinal: error.isFinal, retryAfter: error.retryAfter };
    return { why: reasonOf(error), isFinal: false };
  }
};

const reasonOf = (error: unknown): string => {
  const { code, message } = error as { code?: unknown; message?: string };
  return typeof code === 'string' ? code : (message ?? String(error));
};
