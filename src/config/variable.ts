import { z } from 'zod';

/** One environment variable. Its schema says what is accepted, and carries the default as text: `.prefault('5s')`. */
export interface Variable {
  schema: z.ZodType;
  /** For whoever fills in `.env`: plain sentences. The first says what the variable is for. */
  about: string;
  /** What an optional variable without a default means when it is not set. */
  unset?: string;
  /** Shown in `.env.example` instead of the default. A required variable needs one, if only an empty one. */
  example?: string;
  /** In `.env.example` the line is not commented out, although there is a default. */
  live?: true;
  /** The value is never shown. */
  secret?: true;
}

/** Variables that stand together in the documents. */
export interface Group {
  title: string;
  /** What holds for all of them. */
  about?: string;
  variables: Readonly<Record<string, Variable>>;
}

/** The default as one would write it in `.env`; undefined when there is none, or only an empty one. */
export const defaultOf = ({ schema }: Variable): string | undefined =>
  schema instanceof z.ZodPrefault ? String(schema.def.defaultValue) || undefined : undefined;

export const isRequired = ({ schema }: Variable): boolean => !schema.safeParse(undefined).success;
