import type { CheckerEvent } from './provider.js';

type Event = CheckerEvent['event'];

/** What checkers call an outage, its end, a test of theirs, and what is no outage. */
const WORDS: Readonly<Record<Event, string>> = {
  down: `down, offline, outage, unhealthy, unreachable, unavailable, critical, alarm, alert, alerting, firing, fired,
    trigger, triggered, retriggered, raised, activated, open, opened, problem, error, fail, failed, failing, failure,
    incident started, incident created`,
  up: `up, online, healthy, available, operational, ok, okay, normal, good, passing, passed, success, successful, resolve,
    resolved, recover, recovered, recovery, restored, cleared, close, closed, deactivated`,
  test: 'test, testing, test message, test notification, ping',
  other: `warn, warning, info, informational, degraded, degraded failure, degraded recovery, trouble, flapping, no data,
    nodata, unknown, pending, paused, maintenance, acknowledge, acknowledged, acknowledgement, reminder, renotify, snoozed,
    muted, suppressed, ssl`,
};

const EVENTS = new Map(
  Object.entries(WORDS).flatMap(([event, words]) =>
    words.split(/,\s+/).map((word) => [word, event as Event] as const),
  ),
);

/** Says what the word is about, and nothing of how it is. */
const NOISE =
  /\b(uptime|monitor|check|alert|status|state|incident|service|host|health|event|is|re)\b/g;

/** Nobody says it in more letters. A sentence is not read: "no longer down". */
const LONGEST = 60;

/** What a checker's word for a state means, in whatever case and with whatever signs around it; undefined when unclear. */
export const eventOfWord = (text: string): Event | undefined => {
  if (text.length > LONGEST) return undefined;
  const words = tidy(text.toLowerCase().replace(/[^\p{L}]+/gu, ' '));
  return EVENTS.get(words) ?? EVENTS.get(tidy(words.replace(NOISE, ' ')));
};

const tidy = (text: string): string => text.replace(/ +/g, ' ').trim();
