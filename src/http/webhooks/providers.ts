import { Refused } from '../../domain/errors.js';
import type { Message } from '../webhook-message.js';
import { alertmanager } from './alertmanager.js';
import { betterStack } from './better-stack.js';
import { gatus } from './gatus.js';
import { generic } from './generic.js';
import { grafana } from './grafana.js';
import { healthchecks } from './healthchecks.js';
import { pingdom } from './pingdom.js';
import type { CheckerEvent, Provider } from './provider.js';
import { uptimeKuma } from './uptime-kuma.js';
import { uptimeRobot } from './uptimerobot.js';

/** Every checker whose messages are understood. Grafana's are Alertmanager's and more, so it is asked first. */
export const PROVIDERS: readonly Provider[] = [
  generic,
  uptimeKuma,
  uptimeRobot,
  betterStack,
  healthchecks,
  grafana,
  alertmanager,
  pingdom,
  gatus,
];

/** @throws Refused `invalid-request` when the body is none of this checker's */
export const readEvent = (provider: Provider, message: Message): CheckerEvent => {
  const event = eventIn(provider, message);
  if (event !== undefined) return event;
  const isForm = message.fields !== undefined && provider.readFields === undefined;
  if (isForm) throw notUnderstood(`of ${provider.name} is not JSON`, `POST ${provider.expects}`);
  throw notUnderstood(`is not one that ${provider.name} sends`, `send ${provider.expects}`);
};

/** The event in a message of whichever checker. @throws Refused `forbidden` for an operator's options, `invalid-request` */
export const recognise = (message: Message): CheckerEvent => {
  refuseOptions(message.fields ?? message.json);
  for (const provider of PROVIDERS) {
    const event = eventIn(provider, message);
    if (event !== undefined) return event;
  }
  const names = PROVIDERS.map(({ name }) => name).join(', ');
  throw notUnderstood(
    'is of no checker that is known',
    `send ${generic.expects}, or what one of these sends: ${names}`,
  );
};

const eventIn = (provider: Provider, { fields, json }: Message): CheckerEvent | undefined =>
  fields === undefined ? provider.read(json) : provider.readFields?.(fields);

/** What can lose data, or asks for another operation, needs a person's key. */
const refuseOptions = (body: unknown): void => {
  if (typeof body !== 'object' || body === null) return;
  const option = ['force', 'planned', 'dryRun'].find((name) => Object.hasOwn(body, name));
  if (option === undefined) return;
  throw new Refused('forbidden', `${option}: not with the webhook key`, 'use ADMIN_TOKEN', {
    value: option,
  });
};

const notUnderstood = (why: string, remedy: string): Refused =>
  new Refused('invalid-request', `the body ${why}`, remedy);
