/** What an uptime checker says, whichever it is. */
export interface CheckerEvent {
  /** `test`: somebody pressed a button. `other`: not about whether the service answers, such as an expiring certificate. */
  event: 'down' | 'up' | 'test' | 'other';
  /** What its monitor is called, the best-known name first: any of them may stand in WEBHOOK_MONITORS. */
  names: readonly string[];
  /** In one line, for the operation's reason or for the answer that it was ignored. */
  because: string;
}

/** What a form or a query says. */
export type Fields = Readonly<Record<string, string>>;

export interface Provider {
  /** As in `POST /webhooks/{provider}`. */
  name: string;
  /** What its body looks like, for the one who sent something else. */
  expects: string;
  /** The event in a body of this checker; undefined when it is not one. */
  read(body: unknown): CheckerEvent | undefined;
  /** The same for one that also sends forms, or its message in the query of a GET. */
  readFields?(fields: Fields): CheckerEvent | undefined;
}

/** The names that there are, as text. */
export const namesOf = (...names: (string | number | null | undefined)[]): string[] =>
  names.map((name) => String(name ?? '')).filter((name) => name !== '');
