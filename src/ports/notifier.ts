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
}
