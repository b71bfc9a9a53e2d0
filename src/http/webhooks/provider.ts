import { z } from 'zod';

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
  /** The same for a form or a query, where that takes more than reading the fields as a body. */
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

/** What is said in a text or a number. */
export const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;

/** A field without which it is no message of this checker. */
export const text = z.union([z.string(), z.number()]).transform(String);

/** A field that a message may do without: a form of it that is not known is no reason to refuse a "down". */
export const anyText = z.unknown().transform(textOf).optional();

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The names that are not empty. */
export const namesOf = (...names: (string | undefined)[]): string[] =>
  names.filter((name) => name !== undefined && name !== '').map((name) => `${name}`.slice(0, 200));
