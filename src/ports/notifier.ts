/** What the people who own the data are told. */
export interface Announcement {
  event: string;
  severity: 'info' | 'warning' | 'critical';
  message: string;
  /** Set when this is the end of what was announced as `event` before. */
  over?: true;
  /** The next command to type, when there is one. */
  remedy?: string;
  data?: object;
}

export interface Notifier {
  /** Delivers in the background. Never throws: a deaf channel must not stop a takeover. */
  announce(announcement: Announcement): void;
  /** The channels that do not take messages; undefined while not every channel has been tried. */
  failing?(): ChannelFailure[] | undefined;
  /** Sends a test message to every channel at once. Without an `error` it was taken. Never rejects. */
  test?(): Promise<{ channel: string; error: string | null }[]>;
}

/** A channel by its kind and host: the rest of its URL is a key. */
export interface ChannelFailure {
  channel: string;
  why: string;
  /** When it began, in milliseconds since 1970. */
  since: number;
  /** It refused a message for good, or one was given up. */
  isFinal: boolean;
}
