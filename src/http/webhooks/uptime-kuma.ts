import { z } from 'zod';
import { type CheckerEvent, type Fields, namesOf, type Provider } from './provider.js';

const bodySchema = z.looseObject({
  /** Null for its test button and for expiring certificates and domains (T26). */
  heartbeat: z.looseObject({ status: z.number() }).nullable(),
  monitor: z
    .looseObject({
      name: z.string().optional(),
      id: z.number().optional(),
      url: z.string().nullish(),
    })
    .nullish()
    .transform((monitor) => monitor ?? null),
  msg: z.string().nullish(),
});

const EVENTS: Record<number, CheckerEvent['event']> = { 0: 'down', 1: 'up' };

const read = (body: unknown): CheckerEvent | undefined => {
  const parsed = bodySchema.safeParse(body);
  if (!parsed.success) return undefined;
  const { heartbeat, monitor, msg } = parsed.data;
  const names = namesOf(monitor?.name, monitor?.url, monitor?.id);
  const says = `Uptime Kuma: ${msg ?? 'no message'}`;
  if (heartbeat !== null)
    return { event: EVENTS[heartbeat.status] ?? 'other', names, because: says };
  return monitor === null
    ? { event: 'test', names, because: `a test of the notification: ${says}` }
    : { event: 'other', names, because: `not about an outage: ${says}` };
};

/** A form has everything in one field; a GET has a field for each part, and leaves out what is null. */
const readFields = ({ data, heartbeat, monitor, msg }: Fields): CheckerEvent | undefined => {
  if (data !== undefined) return read(parse(data));
  if (msg === undefined) return undefined;
  return read({ heartbeat: parse(heartbeat ?? 'null'), monitor: parse(monitor ?? 'null'), msg });
};

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/** Uptime Kuma, "Webhook" notification: preset JSON body, form-data, or GET. */
export const uptimeKuma: Provider = {
  name: 'uptime-kuma',
  expects: '{"heartbeat": {"status": 0} or null, "monitor": {"name": "…"} or null, "msg": "…"}',
  read,
  readFields,
};
