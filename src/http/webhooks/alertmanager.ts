import { z } from 'zod';
import type { CheckerEvent, Provider } from './provider.js';

const labels = z.record(z.string(), z.string());

const bodySchema = z.looseObject({
  groupKey: z.string(),
  alerts: z
    .array(z.looseObject({ status: z.enum(['firing', 'resolved']), labels }))
    .min(1)
    .max(1000),
});

/** What Grafana, which sends the same form, calls the alert behind its test button (T26). */
const TEST_ALERT = 'TestAlert';

/** Prometheus Alertmanager, webhook version 4. One message tells of a whole group: one alert that fires is enough. */
export const alertmanager: Provider = {
  name: 'alertmanager',
  read: (body): CheckerEvent | undefined => {
    const parsed = bodySchema.safeParse(body);
    if (!parsed.success) return undefined;
    const { alerts } = parsed.data;
    const firing = alerts.filter(({ status }) => status === 'firing');
    const [first] = firing.length > 0 ? firing : alerts;
    const monitor = first?.labels.instance ?? first?.labels.alertname ?? null;
    const because = `Alertmanager: ${first?.labels.alertname ?? 'an alert'} on ${monitor ?? 'an unnamed target'} is ${first?.status}`;
    if (alerts.every(({ labels }) => labels.alertname === TEST_ALERT))
      return { event: 'test', monitor, because: `a test of the notification: ${because}` };
    return { event: firing.length > 0 ? 'down' : 'up', monitor, because };
  },
};
