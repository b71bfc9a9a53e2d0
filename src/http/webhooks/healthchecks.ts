import { z } from 'zod';
import { anyText, type CheckerEvent, createReader, namesOf, type Provider } from './provider.js';

const bodySchema = z.looseObject({
  code: z.uuid(),
  name: anyText,
  /** Not its placeholder, which says nothing. */
  status: z
    .string()
    .regex(/^[a-z]+$/i)
    .toLowerCase(),
});

const EVENTS: Record<string, CheckerEvent['event']> = { down: 'down', up: 'up' };

/** The check of "Send Test Notification" has this name and is always down (T26). */
const TEST_CHECK = 'TEST';

/** Healthchecks, "Webhook" integration. The user writes its body or query with $CODE, $NAME and $STATUS. */
export const healthchecks: Provider = {
  name: 'healthchecks',
  expects: '{"code": "$CODE", "name": $NAME_JSON, "status": "$STATUS"}, with its placeholders',
  read: createReader(bodySchema, ({ code, name, status }) => {
    const names = namesOf(name, code);
    const says = `Healthchecks: ${name || code} is ${status}`;
    if (name === TEST_CHECK)
      return { event: 'test', names, because: `a test of the notification: ${says}` };
    return { event: EVENTS[status] ?? 'other', names, because: says };
  }),
};
