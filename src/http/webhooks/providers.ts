import { Refused } from '../../domain/errors.js';
import type { Message, Reading } from '../webhook-message.js';
import { alertmanager } from './alertmanager.js';
import { betterStack } from './better-stack.js';
import { gatus } from './gatus.js';
import { generic } from './generic.js';
import { grafana } from './grafana.js';
import { healthchecks } from './healthchecks.js';
import { pingdom } from './pingdom.js';
import { type CheckerEvent, isRecord, type Provider } from './provider.js';
import { uptimeKuma } from './uptime-kuma.js';
import { uptimeRobot } from './uptimerobot.js';

/**
 * Every checker whose messages are understood, in the order in which they are asked. Grafana's messages are
 * Alertmanager's and more. The generic one takes what is similar to any, and is asked last.
 */
export const PROVIDERS: readonly Provider[] = [
  uptimeKuma,
  uptimeRobot,
  betterStack,
  healthchecks,
  grafana,
  alertmanager,
  pingdom,
  gatus,
  generic,
];

/** @throws Refused `invalid-request` when the message is none of this checker's; the generic one is all of them */
export const readEvent = (provider: Provider, message: Message): CheckerEvent => {
  const event = eventIn(provider === generic ? PROVIDERS : [provider], message);
  if (event !== undefined) return event;
  const { name, expects } = provider;
  throw notUnderstood(`is not one that ${name} sends`, `send ${expects}`, message);
};

/** The event in a message of whichever checker. @throws Refused `forbidden` for an operator's options, `invalid-request` */
export const recognise = (message: Message): CheckerEvent => {
  for (const reading of message.readings)
    refuseOptions('fields' in reading ? reading.fields : reading.json);
  const event = eventIn(PROVIDERS, message);
  if (event !== undefined) return event;
  const names = PROVIDERS.map(({ name }) => name).join(', ');
  throw notUnderstood(
    'is of no checker that is known',
    `send ${generic.expects}, or what one of these sends: ${names}`,
    message,
  );
};

/** Whatever is said beside it, an "up" or a test is never taken for a "down". */
const eventIn = (
  providers: readonly Provider[],
  { readings }: Message,
): CheckerEvent | undefined => {
  const events = readings.flatMap((reading) => firstEvent(providers, reading) ?? []);
  return events.find(({ event }) => event !== 'down') ?? events[0];
};

const firstEvent = (providers: readonly Provider[], reading: Reading): CheckerEvent | undefined => {
  if ('json' in reading && Array.isArray(reading.json)) return eventInList(providers, reading.json);
  for (const provider of providers) {
    const event =
      'fields' in reading
        ? (provider.readFields ?? provider.read)(reading.fields)
        : provider.read(reading.json);
    if (event !== undefined) return event;
  }
  return undefined;
};

/** Of several messages, the first outage that is not over by the end. */
const eventInList = (
  providers: readonly Provider[],
  list: readonly unknown[],
): CheckerEvent | undefined => {
  const events = list
    .filter((json) => isRecord(json) && Object.keys(json).length > 0)
    .flatMap((json) => firstEvent(providers, { json }) ?? []);
  const last = new Map(events.map((event) => [event.names[0], event]));
  return [...last.values()].find(({ event }) => event === 'down') ?? events.at(-1);
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

const notUnderstood = (why: string, remedy: string, { summary }: Message): Refused =>
  new Refused('invalid-request', `the body ${why}`, remedy, { value: summary });
