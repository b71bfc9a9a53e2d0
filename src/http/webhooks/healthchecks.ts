import { z } from 'zod';
import { type CheckerEvent, namesOf, type Provider } from './provider.js';

const bodySchema = z.looseObject({
  code: z.uuid(),
  name: z.string(),
  status: z.string(),
});

const EVENTS: Record<string, CheckerEvent['event']> = { down: 'down', up: 'up' };

/** What it calls the check behind "Send Test Notification", which is always down (T26). */
const TEST_CHECK = 'TEST';

/** Healthchecks, "Webhook" integration with the body of the manual: its placeholders $CODE, $NAME_JSON and $STATUS. */
export const healthchecks: Provider = {
  name: 'healthchecks',
  expects: '{"code": "$CODE", "name": $NAME_JSON, "status": "$STATUS"}, with its placeholders',
  read: (body): CheckerEvent | undefined => {
    const parsed = bodySchema.safeParse(body);
    if (!parsed.success) return undefined;
    const { code, name, status } = parsed.data;
    const names = namesOf(name, code);
    const says = `Healthchecks: ${name || code} is ${status}`;
    if (name === TEST_CHECK)
      return { event: 'test', names, because: `a test of the notification: ${says}` };
    return { event: EVENTS[status] ?? 'other', names, because: says };
  },
};
