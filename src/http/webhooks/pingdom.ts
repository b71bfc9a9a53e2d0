import { z } from 'zod';
import {
  anyText,
  type CheckerEvent,
  createReader,
  namesOf,
  type Provider,
  text,
} from './provider.js';

const bodySchema = z.looseObject({
  check_id: text,
  check_name: text,
  current_state: text,
  check_params: z.looseObject({ full_url: anyText }).optional().catch(undefined),
  description: anyText,
});

/** Transaction checks say SUCCESS and FAILING: they try one way through the app, and say little about all of it. */
const EVENTS: Record<string, CheckerEvent['event']> = { DOWN: 'down', UP: 'up' };

/** Pingdom, "state change webhook". */
export const pingdom: Provider = {
  name: 'pingdom',
  expects: '{"check_id": …, "check_name": "…", "current_state": "DOWN" | "UP"}',
  read: createReader(
    bodySchema,
    ({ check_id, check_name, current_state, check_params, description }) => ({
      event: EVENTS[current_state.toUpperCase()] ?? 'other',
      names: namesOf(check_name, check_params?.full_url, check_id),
      because: `Pingdom: ${check_name} is ${current_state}${description ? `, ${description}` : ''}`,
    }),
  ),
};
