import { z } from 'zod';
import type { CheckerEvent, Provider } from './provider.js';

const bodySchema = z.looseObject({
  /** Null for its test button and for expiring certificates and domains (T26). */
  heartbeat: z.looseObject({ status: z.number() }).nullable(),
  monitor: z
    .looseObject({ name: z.string().optional(), id: z.number().optional() })
    .nullish()
    .transform((monitor) => monitor ?? null),
  msg: z.string().nullish(),
});

const EVENTS: Record<number, CheckerEvent['event']> = { 0: 'down', 1: 'up' };

/** Uptime Kuma, "Webhook" notification with the preset JSON body. */
export const uptimeKuma: Provider = {
  name: 'uptime-kuma',
  read: (body): CheckerEvent | undefined => {
    const parsed = bodySchema.safeParse(body);
    if (!parsed.success) return undefined;
    const { heartbeat, msg } = parsed.data;
    const monitor = parsed.data.monitor?.name ?? null;
    const says = `Uptime Kuma: ${msg ?? 'no message'}`;
    if (heartbeat !== null)
      return { event: EVENTS[heartbeat.status] ?? 'other', monitor, because: says };
    return monitor === null
      ? { event: 'test', monitor, because: `a test of the notification: ${says}` }
      : { event: 'other', monitor, because: `not about an outage: ${says}` };
  },
};
