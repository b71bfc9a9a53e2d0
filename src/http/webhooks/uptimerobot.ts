import { z } from 'zod';
import { type CheckerEvent, createReader, namesOf, type Provider } from './provider.js';

const text = z.union([z.string(), z.number()]).transform(String);

const bodySchema = z.looseObject({
  /** 1 down, 2 up, 3 an expiring certificate or domain. It comes as a number or as text. */
  alertType: text,
  monitorID: text.optional(),
  monitorFriendlyName: z.string().optional(),
  monitorURL: z.string().optional(),
  alertDetails: z.string().optional(),
});

const EVENTS: Record<string, CheckerEvent['event']> = { 1: 'down', 2: 'up' };

/** UptimeRobot, webhook with "Send as JSON". */
export const uptimeRobot: Provider = {
  name: 'uptimerobot',
  expects: '{"alertType": 1, "monitorFriendlyName": "…", "monitorURL": "…", "monitorID": …}',
  read: createReader(
    bodySchema,
    ({ alertType, monitorID, monitorFriendlyName, monitorURL, alertDetails }) => ({
      event: EVENTS[alertType] ?? 'other',
      names: namesOf(monitorFriendlyName, monitorURL, monitorID),
      because: `UptimeRobot: alert type ${alertType}${alertDetails === undefined ? '' : `, ${alertDetails}`}`,
    }),
  ),
};
