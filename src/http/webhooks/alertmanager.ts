import { z } from 'zod';
import {
  anyText,
  type CheckerEvent,
  createReader,
  namesOf,
  type Provider,
  text,
} from './provider.js';

const alertSchema = z.looseObject({
  status: z
    .string()
    .toLowerCase()
    .pipe(z.enum(['firing', 'resolved'])),
  labels: z.record(z.string(), anyText).catch({}),
  fingerprint: anyText,
});

export const alertsSchema = z.looseObject({
  groupKey: text,
  /** Those that can be read: one that cannot says nothing about the others. */
  alerts: z
    .array(z.unknown())
    .transform((alerts) => alerts.flatMap((alert) => alertSchema.safeParse(alert).data ?? []))
    .refine((alerts) => alerts.length > 0),
});
type Alerts = z.output<typeof alertsSchema>['alerts'];

/** Prometheus Alertmanager, webhook version 4. */
export const alertmanager: Provider = {
  name: 'alertmanager',
  expects: '{"groupKey": "…", "alerts": [{"status": "firing" | "resolved", "labels": {…}}]}',
  read: createReader(alertsSchema, ({ alerts }) => readAlerts('Alertmanager', alerts)),
};

/** Grafana sends the same form, and names the alert of its test button like this (T26). */
const TEST_ALERT = 'TestAlert';

/** Alerts that are named. There may be hundreds. */
const SHOWN = 3;

/** A message is about a whole group of alerts. One that fires is enough. */
export const readAlerts = (sender: string, alerts: Alerts): CheckerEvent => {
  const firing = alerts.filter(({ status }) => status === 'firing');
  const shown = firing.length > 0 ? firing : alerts;
  const names = shown.flatMap(({ labels, fingerprint }) =>
    namesOf(labels.instance, labels.alertname, fingerprint),
  );
  const more = shown.length > SHOWN ? ` and ${shown.length - SHOWN} more` : '';
  const because = `${sender}: ${shown.slice(0, SHOWN).map(describe).join(', ')}${more}`;
  if (alerts.every(({ labels }) => labels.alertname === TEST_ALERT))
    return { event: 'test', names, because: `a test of the notification: ${because}` };
  return { event: firing.length > 0 ? 'down' : 'up', names, because };
};

const describe = ({ status, labels }: Alerts[number]): string =>
  `${labels.alertname ?? 'an alert'} on ${labels.instance ?? 'an unnamed target'} is ${status}`;
