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

const read = (body: unknown): CheckerEvent | undefined => {
  const parsed = bodySchema.safeParse(body);
  if (!parsed.success) return undefined;
  const { code, name, status } = parsed.data;
  const names = namesOf(name, code);
  const says = `Healthchecks: ${name || code} is ${status}`;
  if (name === TEST_CHECK)
    return { event: 'test', names, because: `a test of the notification: ${says}` };
  return { event: EVENTS[status] ?? 'other', names, because: says };
};

/** Healthchecks, "Webhook" integration. What it sends is the user's: a body or a query made of $CODE, $NAME and $STATUS. */
export const healthchecks: Provider = {
  name: 'healthchecks',
  expects: '{"code": "$CODE", "name": $NAME_JSON, "status": "$STATUS"}, with its placeholders',
  read,
  readFields: read,
};
