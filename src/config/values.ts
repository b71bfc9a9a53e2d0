import { isAbsolute } from 'node:path';
import { validate as isCron } from 'node-cron';
import { z } from 'zod';
import { parseDuration } from '../domain/format.js';

/** A timer of Node that is set to more than 24.8 days ends at once. */
const LONGEST = '24d';

const lengthOf = (text: string): number => parseDuration(text) ?? Number.NaN;

/** A length of time, in milliseconds. Where 0 makes sense it means "off" or "at once". */
export const duration = (least: string, most = LONGEST) =>
  z.string().transform((text, context) => {
    const ms = parseDuration(text);
    if (ms !== undefined && ms >= lengthOf(least) && ms <= lengthOf(most)) return ms;
    context.addIssue({
      code: 'custom',
      message: `must be a length of time from ${least} to ${most}, such as 500ms, 5s, 30m or 2h`,
    });
    return z.NEVER;
  });

export const wholeNumber = (least: number, most: number) =>
  z
    .string()
    .regex(/^\d+$/, `must be a whole number from ${least} to ${most}`)
    .transform(Number)
    .refine((value) => value >= least && value <= most, `must be from ${least} to ${most}`);

export const text = z.string().min(1);

export const httpUrl = z.url({
  protocol: /^https?$/,
  error: 'must be a URL such as http://10.0.0.3:8080',
});

export const path = z.string().refine(isAbsolute, 'must be an absolute path');

export const cron = z.string().refine(isCron, 'must be a cron expression such as */30 * * * *');

/** Statuses of HTTP, such as `2xx, 302` or `200-399`, as ranges from the first to the last. */
export const statuses = z.string().transform((list, context): [number, number][] => {
  const ranges = splitList(list, /[\s,]+/).map((item): [number, number] => {
    const [, hundred] = /^([1-5])xx$/i.exec(item) ?? [];
    if (hundred !== undefined) return [Number(hundred) * 100, Number(hundred) * 100 + 99];
    const [, first, last = first] = /^([1-5]\d\d)(?:-([1-5]\d\d))?$/.exec(item) ?? [];
    return [Number(first), Number(last)];
  });
  if (ranges.length > 0 && ranges.every(([first, last]) => first <= last)) return ranges;
  context.addIssue({ code: 'custom', message: 'must be statuses, such as 2xx, 302 or 200-399' });
  return z.NEVER;
});

/** Items between separators; empty ones are dropped. */
export const splitList = (list: string, separator: RegExp): string[] =>
  list
    .split(separator)
    .map((item) => item.trim())
    .filter((item) => item !== '');
