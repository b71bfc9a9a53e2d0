/** What an uptime checker says, whichever it is. */
export interface CheckerEvent {
  /** `test`: somebody pressed a button. `other`: not about whether the service answers, such as an expiring certificate. */
  event: 'down' | 'up' | 'test' | 'other';
  /** Which of its monitors, as people know it; null when it does not say. */
  monitor: string | null;
  /** In one line, for the operation's reason or for the answer that it was ignored. */
  because: string;
}

export interface Provider {
  /** As in `POST /webhooks/{provider}`. */
  name: string;
  /** The event in a body of this checker; undefined when it is not one. */
  read(body: unknown): CheckerEvent | undefined;
}
