import { parseJson } from '../../domain/parse-json.js';
import { type CheckerEvent, isRecord, namesOf, type Provider, textOf } from './provider.js';
import { eventOfWord } from './words.js';

/** Of a field's name, what all spellings have in common: `alert_type`, `alertType`, `Alert-Type`. */
const plain = (name: string): string => name.toLowerCase().replace(/[^a-z]/g, '');
const namesIn = (text: string): string[] => text.split(/,\s+/).map(plain);

/** Where checkers put the state. */
const STATES = namesIn(
  `event, event_type, event_action, status, state, current_state, current_status, new_state, new_status, new_state_value,
  alert_type, alert_type_friendly_name, alert_status, alert_state, alert_transition, monitor_status, monitor_condition,
  incident_state, notification_type, transition, trigger, action, type`,
);

/** And the monitor's name, the best-known first. */
const NAMES = namesIn(
  `monitor, monitor_name, monitor_friendly_name, name, check_name, alert_name, alert_rule, rule_name, alarm_name,
  policy_name, condition_name, service, endpoint, host, url, monitor_url, check_url, monitor_target, target, monitor_id, check_id, id,
  host_name, title`,
);

/** And what they wrap the rest in. */
const WRAPPERS = namesIn(
  'data, payload, body, json, content, message, event, alert, incident, essentials, check, monitor, attributes',
);

const TEXTS = namesIn('text, message, msg, reason, description, subject, title');
const TEST_TEXT = /\btest (message|notification|alert|webhook|event)\b/i;

/** Only these: no word of a state could be missed. */
const DOCUMENTED = ['event', 'monitor', 'reason'];

const DEEPEST = 3;

/** Whether something in there could be meant as a state. */
export const maySayState = (fields: object): boolean =>
  Object.keys(fields).some((name) => SAYING.includes(plain(name)));

const SAYING = [...STATES, ...TEXTS, ...WRAPPERS].filter(
  (name) => name !== 'monitor' && name !== 'reason',
);

const read = (body: unknown): CheckerEvent | undefined => {
  const fields = body === undefined ? {} : body;
  if (!isRecord(fields)) return undefined;
  const event = stateIn(fields, 1) ?? defaultOf(fields);
  if (event === undefined) return undefined;
  const names = namesOf(...namesWithin(fields, 1));
  const because = textOf(fields.reason) || `${names[0] ?? 'a webhook'} says ${event}`;
  const isTest = names.some((name) => /^test$/i.test(name));
  return { event: isTest ? 'test' : event, names, because };
};

/** The documented form for everything else: no body, or `{event, monitor, reason}`, each optional; and what is similar. */
export const generic: Provider = {
  name: 'generic',
  expects: 'no body, or {"event": "down" | "up" | "test", "monitor": "…", "reason": "…"}',
  read,
};

/** Without an event it is a "down", if nothing else is in there that may have been meant as one. */
const defaultOf = (fields: Record<string, unknown>): 'down' | undefined =>
  Object.entries(fields).every(
    ([name, value]) =>
      DOCUMENTED.includes(name) &&
      (value === null || (name !== 'event' && textOf(value) !== undefined)),
  )
    ? 'down'
    : undefined;

/** What all words for a state say; undefined when they contradict each other. */
const stateIn = (
  fields: Record<string, unknown>,
  depth: number,
): CheckerEvent['event'] | undefined => {
  if (valuesOf(fields, TEXTS).some((value) => TEST_TEXT.test(textOf(value) ?? ''))) return 'test';
  const own = textOf(fields.event);
  // "explode" is not understood, whatever else is said.
  if (own !== undefined && eventOfWord(own) === undefined) return undefined;
  const words = valuesOf(fields, STATES).flatMap((value) => textOf(value) ?? []);
  const inner = within(fields, depth).map((each) => stateIn(each, depth + 1));
  // Many of them say "alert" of everything that they send.
  const telling = words.filter((word) => !/^alert$/i.test(word)).map(eventOfWord);
  const events = new Set([...telling, ...inner].filter((event) => event !== undefined));
  if (events.size === 0) return words.map(eventOfWord).find((event) => event !== undefined);
  if (events.has('test')) return 'test';
  if (events.has('down') && events.has('up')) return undefined;
  return (['down', 'up', 'other'] as const).find((event) => events.has(event));
};

const namesWithin = (fields: Record<string, unknown>, depth: number): (string | undefined)[] => [
  ...NAMES.flatMap((name) => valuesOf(fields, [name])).map(textOf),
  ...within(fields, depth).flatMap((each) => namesWithin(each, depth + 1)),
];

/** The objects in known wrappers, also as JSON in a string. */
const within = (fields: Record<string, unknown>, depth: number): Record<string, unknown>[] =>
  depth === DEEPEST
    ? []
    : valuesOf(fields, WRAPPERS)
        .map((value) => (typeof value === 'string' ? parseJson(value) : value))
        .filter(isRecord);

const valuesOf = (fields: Record<string, unknown>, names: readonly string[]): unknown[] =>
  Object.entries(fields).flatMap(([name, value]) => (names.includes(plain(name)) ? [value] : []));
