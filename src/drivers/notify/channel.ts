import type { Announcement } from '../../ports/notifier.js';

/** An announcement as it goes out. */
export interface Message extends Announcement {
  /** NODE_NAME of the node that says it. */
  node: string;
  /** When, as ISO 8601. */
  at: string;
}

/** One place where people read what their nodes announce. */
export interface Channel {
  /** Its kind and host, for the log: with many services the rest of the URL is a key. */
  name: string;
  /** @throws DeliveryError when the answer was a no; whatever else is thrown means that there was none */
  deliver(message: Message, signal: AbortSignal): Promise<void>;
}

interface DeliveryOutlook {
  /** The same message will not be taken later either. */
  isFinal: boolean;
  /** Milliseconds after which the other side wants to be asked again, when it said so. */
  retryAfter?: number | undefined;
}

/** The other side answered, and did not take the message. Never shows the URL. */
export class DeliveryError extends Error {
  readonly isFinal: boolean;
  readonly retryAfter: number | undefined;

  constructor(message: string, { isFinal, retryAfter }: DeliveryOutlook) {
    super(message);
    this.isFinal = isFinal;
    this.retryAfter = retryAfter;
  }
}
