import { z } from 'zod';
import {
  anyText,
  type CheckerEvent,
  createReader,
  namesOf,
  type Provider,
  text,
} from './provider.js';
import { eventOfWord } from './words.js';

const bodySchema = z.looseObject({
  /** 1 down, 2 up, 3 an expiring certificate or domain. It comes as a number or as text. */
  alertType: text,
  monitorID: anyText,
  monitorFriendlyName: anyText,
  monitorURL: anyText,
  alertDetails: anyText,
});

const EVENTS: Record<string, CheckerEvent['event']> = { 1: 'down', 2: 'up' };

/** UptimeRobot: its default variables, as a query, as a form or "Send as JSON". */
export const uptimeRobot: Provider = {
  name: 'uptimerobot',
  expects: '{"alertType": 1, "monitorFriendlyName": "…", "monitorURL": "…", "monitorID": …}',
  read: createReader(
    bodySchema,
    ({ alertType, monitorID, monitorFriendlyName, monitorURL, alertDetails }) => ({
      event: EVENTS[alertType.trim()] ?? eventOfWord(alertType) ?? 'other',
      names: namesOf(monitorFriendlyName, monitorURL, monitorID),
      because: `UptimeRobot: alert type ${alertType}${alertDetails === undefined ? '' : `, ${alertDetails}`}`,
    }),
  ),
};
