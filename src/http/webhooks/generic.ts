import { z } from 'zod';
import type { CheckerEvent, Provider } from './provider.js';

const bodySchema = z.strictObject({
  event: z.enum(['down', 'up', 'test']).default('down'),
  monitor: z.string().min(1).max(200).nullable().default(null),
  reason: z.string().max(500).default(''),
});

/** The documented form for everything else: no body, or `{event, monitor, reason}`, each optional. */
export const generic: Provider = {
  name: 'generic',
  read: (body): CheckerEvent | undefined => {
    const parsed = bodySchema.safeParse(body ?? {});
    if (!parsed.success) return undefined;
    const { event, monitor, reason } = parsed.data;
    return { event, monitor, because: reason || `${monitor ?? 'a webhook'} says ${event}` };
  },
};
