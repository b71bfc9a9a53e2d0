import type { z } from 'zod';

/** A message of an uptime checker, whichever it is. */
export interface CheckerEvent {
  /** `test`: somebody pressed a button. `other`: not about whether the service answers, such as an expiring certificate. */
  event: 'down' | 'up' | 'test' | 'other';
  /** Names of the monitor, the best-known first. WEBHOOK_MONITORS may list any of them. */
  names: readonly string[];
  /** One line, for the operation's reason or for the answer that the message was ignored. */
  because: string;
}

/** The fields of a form or a query. */
export type Fields = Readonly<Record<string, string>>;

export interface Provider {
  /** As in `POST /webhooks/{provider}`. */
  name: string;
  /** What its body looks like, for the error when something else came. */
  expects: string;
  /** The event in a body of this checker; undefined when the body is not one. */
  read(body: unknown): CheckerEvent | undefined;
  /** The same for checkers that also send forms, or a GET with a query. */
  readFields?(fields: Fields): CheckerEvent | undefined;
}

/** Reads bodies that fit `schema`. Any other body is not a message of this checker. */
export const createReader =
  <T extends z.ZodType>(
    schema: T,
    toEvent: (body: z.output<T>) => CheckerEvent,
  ): Provider['read'] =>
  (body) => {
    const parsed = schema.safeParse(body);
    return parsed.success ? toEvent(parsed.data) : undefined;
  };

/** The names that are not empty, as text. */
export const namesOf = (...names: (string | number | null | undefined)[]): string[] =>
  names.map((name) => String(name ?? '')).filter((name) => name !== '');
