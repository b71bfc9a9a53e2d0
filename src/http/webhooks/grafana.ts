import { alertsSchema, readAlerts } from './alertmanager.js';
import { createReader, type Provider, text } from './provider.js';

/** What it has beyond Alertmanager's form. */
const bodySchema = alertsSchema.extend({ orgId: text, state: text });

/** What it calls a rule that it could not look at: that says something about its data source, not about the service. */
const BLIND: readonly string[] = ['DatasourceError', 'DatasourceNoData'];

/** Grafana Alerting, contact point "Webhook" without a custom payload. */
export const grafana: Provider = {
  name: 'grafana',
  expects:
    '{"orgId": 1, "state": "alerting", "groupKey": "…", "alerts": [{"status": "firing" | "resolved", "labels": {…}}]}',
  read: createReader(bodySchema, ({ alerts }) => {
    const sighted = alerts.filter(({ labels }) => !BLIND.includes(labels.alertname ?? ''));
    if (sighted.length > 0) return readAlerts('Grafana', sighted);
    const blind = readAlerts('Grafana', alerts);
    return { ...blind, event: 'other', because: `it could not look: ${blind.because}` };
  }),
};
