import { z } from 'zod';
import {
  anyText,
  type CheckerEvent,
  createReader,
  namesOf,
  type Provider,
  text,
} from './provider.js';

const reference = z
  .looseObject({ data: z.looseObject({ id: anyText }) })
  .optional()
  .catch(undefined);

const bodySchema = z.looseObject({
  event: text,
  data: z.looseObject({
    /** It also tells of changed monitors and of who is on call. */
    type: text,
    attributes: z.looseObject({ name: anyText, url: anyText, cause: anyText }),
    relationships: z
      .looseObject({ monitor: reference, heartbeat: reference })
      .optional()
      .catch(undefined),
  }),
});

/** "acknowledged" is a person who has seen it, not a check. */
const EVENTS: Record<string, CheckerEvent['event']> = { started: 'down', resolved: 'up' };

/** It opens incidents for these as well, long before anything is down. */
const EXPIRY = /\b(ssl|tls|certificate|domain)\b.*\bexpir/i;

/** Better Stack Uptime, outgoing webhook for incidents. */
export const betterStack: Provider = {
  name: 'better-stack',
  expects:
    '{"event": "started" | "acknowledged" | "resolved", "data": {"type": "incident", "attributes": {"name": "…", "url": "…", "cause": "…"}}}',
  read: createReader(bodySchema, ({ event, data }) => {
    const { name, url, cause } = data.attributes;
    const { monitor, heartbeat } = data.relationships ?? {};
    const isOutage = data.type === 'incident' && !EXPIRY.test(cause ?? '');
    return {
      event: (isOutage && EVENTS[event.toLowerCase()]) || 'other',
      names: namesOf(name, url, monitor?.data.id, heartbeat?.data.id),
      because: `Better Stack: ${data.type} of ${name ?? url ?? 'an unnamed monitor'} ${event}${cause ? `, ${cause}` : ''}`,
    };
  }),
};
