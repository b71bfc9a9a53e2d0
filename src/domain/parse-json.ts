import type { z } from 'zod';

/** Undefined when the text is not JSON. */
export const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/** What a file of ours says. Undefined when there is none, and when it is no JSON of this schema. */
export const parseJsonAs = <T extends z.ZodType>(
  schema: T,
  text: string | undefined,
): z.output<T> | undefined => schema.safeParse(parseJson(text ?? '')).data;
