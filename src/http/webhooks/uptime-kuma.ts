import { z } from 'zod';
import { parseJson } from '../../domain/parse-json.js';
import { type CheckerEvent, createReader, namesOf, type Provider } from './provider.js';

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

const read = createReader(bodySchema, ({ heartbeat, monitor, msg }) => {
  const names = namesOf(monitor?.name, monitor?.url, monitor?.id);
  const says = `Uptime Kuma: ${msg ?? 'no message'}`;
  if (heartbeat !== null)
    return { event: EVENTS[heartbeat.status] ?? 'other', names, because: says };
  return monitor === null
    ? { event: 'test', names, because: `a test of the notification: ${says}` }
    : { event: 'other', names, because: `not about an outage: ${says}` };
});

/** Uptime Kuma, "Webhook" notification: preset JSON body, form-data, or GET. */
export const uptimeKuma: Provider = {
  name: 'uptime-kuma',
  expects: '{"heartbeat": {"status": 0} or null, "monitor": {"name": "…"} or null, "msg": "…"}',
  read,
  // A form has everything in one field. A GET has a field for each part, and leaves out what is null.
  readFields: ({ data, heartbeat, monitor, msg }) => {
    if (data !== undefined) return read(parseJson(data));
    if (msg === undefined) return undefined;
    return read({
      heartbeat: parseJson(heartbeat ?? 'null'),
      monitor: parseJson(monitor ?? 'null'),
      msg,
    });
  },
};
