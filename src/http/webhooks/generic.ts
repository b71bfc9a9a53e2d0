import { z } from 'zod';
import { createReader, namesOf, type Provider } from './provider.js';

const bodySchema = z.preprocess(
  (body) => body ?? {},
  z.strictObject({
    event: z.enum(['down', 'up', 'test']).default('down'),
    monitor: z.string().min(1).max(200).nullable().default(null),
    reason: z.string().max(500).default(''),
  }),
);

/** The documented form for everything else: no body, or `{event, monitor, reason}`, each optional. */
export const generic: Provider = {
  name: 'generic',
  expects: 'no body, or {"event": "down" | "up" | "test", "monitor": "…", "reason": "…"}',
  read: createReader(bodySchema, ({ event, monitor, reason }) => {
    const because = reason || `${monitor ?? 'a webhook'} says ${event}`;
    return { event, names: namesOf(monitor), because };
  }),
};
