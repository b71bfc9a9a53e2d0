import { z } from 'zod';
import { parseJson } from '../../domain/parse-json.js';
import {
  anyText,
  type CheckerEvent,
  createReader,
  namesOf,
  type Provider,
  text,
} from './provider.js';
import { eventOfWord } from './words.js';

const bodySchema = z.looseObject({
  /** Null for its test button and for expiring certificates and domains (T26). */
  heartbeat: z.looseObject({ status: text }).nullable(),
  monitor: z.looseObject({ name: anyText, id: anyText, url: anyText }).nullish().catch(undefined),
  msg: anyText,
});

const EVENTS: Record<string, CheckerEvent['event']> = { 0: 'down', 1: 'up' };

const read = createReader(bodySchema, ({ heartbeat, monitor, msg }) => {
  const names = namesOf(monitor?.name, monitor?.url, monitor?.id);
  const says = `Uptime Kuma: ${msg ?? 'no message'}`;
  if (heartbeat !== null) {
    const { status } = heartbeat;
    const event = EVENTS[status] ?? eventOfWord(status) ?? 'other';
    return { event, names, because: says };
  }
  return monitor == null
    ? { event: 'test', names, because: `a test of the notification: ${says}` }
    : { event: 'other', names, because: `not about an outage: ${says}` };
});

/** What it says without a heartbeat and a monitor. */
const WITHOUT = /\b(testing|expires?|expired)\b/i;

/** Uptime Kuma, "Webhook" notification: preset JSON body, form-data, or GET. */
export const uptimeKuma: Provider = {
  name: 'uptime-kuma',
  expects: '{"heartbeat": {"status": 0} or null, "monitor": {"name": "…"} or null, "msg": "…"}',
  read,
  // A form has everything in one field. A GET has a field for each part, and leaves out what is null.
  readFields: ({ data, heartbeat, monitor, msg }) => {
    if (data !== undefined) return read(parseJson(data));
    // Others say that a service is down in a "msg" alone.
    const isKumas = heartbeat !== undefined || monitor !== undefined || WITHOUT.test(msg ?? '');
    if (msg === undefined || !isKumas) return undefined;
    return read({
      heartbeat: parseJson(heartbeat ?? 'null'),
      monitor: parseJson(monitor ?? 'null'),
      msg,
    });
  },
};
