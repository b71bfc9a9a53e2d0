import { Refused } from '../../pure/errors.js';
import { alertmanager } from './alertmanager.js';
import { generic } from './generic.js';
import type { CheckerEvent, Provider } from './provider.js';
import { uptimeKuma } from './uptime-kuma.js';
import { uptimeRobot } from './uptimerobot.js';

/** Every checker whose messages are understood. */
export const PROVIDERS: readonly Provider[] = [generic, uptimeKuma, uptimeRobot, alertmanager];

/** @throws Refused `invalid-request` when the body is none of this checker's */
export const readEvent = (provider: Provider, body: unknown): CheckerEvent => {
  const event = provider.read(body);
  if (event === undefined) throw notUnderstood(`is not one that ${provider.name} sends`);
  return event;
};

/** The event in a body of whichever checker. @throws Refused `forbidden` for an operator's options, `invalid-request` */
export const recognise = (body: unknown): CheckerEvent => {
  refuseOptions(body);
  for (const provider of PROVIDERS) {
    const event = provider.read(body);
    if (event !== undefined) return event;
  }
  throw notUnderstood('is of no checker that is known');
};

/** What can lose data, or asks for another operation, needs a person's key. */
const refuseOptions = (body: unknown): void => {
  if (typeof body !== 'object' || body === null) return;
  const option = ['force', 'planned', 'dryRun'].find((name) => Object.hasOwn(body, name));
  if (option === undefined) return;
  throw new Refused('forbidden', `${option}: not with the webhook key`, 'use ADMIN_TOKEN', {
    value: option,
  });
};

const notUnderstood = (why: string): Refused =>
  new Refused(
    'invalid-request',
    `the body ${why}`,
    `send no body, {"event": "down", "monitor": "…"}, or what one of ${PROVIDERS.map(({ name }) => name).join(', ')} sends`,
  );
