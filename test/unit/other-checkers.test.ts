import { expect, test } from 'vitest';
import { generic } from '../../src/http/webhooks/generic.js';

/** What checkers without a webhook of their own here send, as their documentation shows it; each with its names. */
const alarm = (state: string) => JSON.stringify({ AlarmName: 'shop', NewStateValue: state });
const MESSAGES: [string, down: object, up: object][] = [
  [
    'StatusCake',
    { Token: '0123', Status: 'Down', StatusCode: '0', Name: 'shop', Tags: '' },
    { Token: '0123', Status: 'Up', StatusCode: '200', Name: 'shop', Tags: '' },
  ],
  [
    'HetrixTools',
    {
      monitor_id: '0a1b',
      monitor_name: 'shop',
      monitor_type: 'website',
      monitor_status: 'offline',
    },
    { monitor_id: '0a1b', monitor_name: 'shop', monitor_type: 'website', monitor_status: 'online' },
  ],
  [
    'Cronitor',
    { id: 'abc', monitor: 'shop', description: 'shop is failing', type: 'ALERT' },
    { id: 'abc', monitor: 'shop', description: 'shop recovered', type: 'RECOVERY' },
  ],
  [
    'OnlineOrNot',
    { event: 'uptime.down', trigger: 'down', name: 'shop' },
    { event: 'uptime.up', trigger: 'up', name: 'shop' },
  ],
  [
    'OpenStatus',
    { monitor: { id: 1, name: 'shop' }, status: 'error', statusCode: 500, errorMessage: 'timeout' },
    { monitor: { id: 1, name: 'shop' }, status: 'recovered', statusCode: 200 },
  ],
  [
    'updown.io',
    { event: 'check.down', check: { alias: 'x', name: 'shop', down: true } },
    { event: 'check.up', check: { alias: 'x', name: 'shop', down: false } },
  ],
  [
    'Checkly',
    { event: 'ALERT_FAILURE', monitor: 'shop' },
    { event: 'ALERT_RECOVERY', monitor: 'shop' },
  ],
  ['Datadog', { event: 'Triggered', monitor: 'shop' }, { event: 'Recovered', monitor: 'shop' }],
  [
    'Better Stack logs',
    { event: 'incident.started', id: '1', name: 'shop' },
    { event: 'incident.resolved', id: '1', name: 'shop' },
  ],
  [
    'Grafana legacy',
    { ruleName: 'shop', state: 'alerting', title: '[Alerting] shop', message: 'down' },
    { ruleName: 'shop', state: 'ok', title: '[OK] shop' },
  ],
  [
    'Google Cloud',
    { incident: { state: 'open', policy_name: 'shop', summary: 'down' }, version: '1.2' },
    { incident: { state: 'closed', policy_name: 'shop', summary: 'closed' }, version: '1.2' },
  ],
  [
    'Cloudflare',
    {
      name: 'hc',
      data: { status: 'Unhealthy', name: 'shop' },
      alert_type: 'health_check_status_notification',
    },
    {
      name: 'hc',
      data: { status: 'Healthy', name: 'shop' },
      alert_type: 'health_check_status_notification',
    },
  ],
  [
    'PagerDuty',
    { event: { event_type: 'incident.triggered', data: { status: 'triggered', title: 'shop' } } },
    { event: { event_type: 'incident.resolved', data: { status: 'resolved', title: 'shop' } } },
  ],
  [
    'Azure',
    { data: { essentials: { alertRule: 'shop', monitorCondition: 'Fired', severity: 'Sev3' } } },
    { data: { essentials: { alertRule: 'shop', monitorCondition: 'Resolved', severity: 'Sev3' } } },
  ],
  [
    'New Relic',
    { state: 'ACTIVATED', trigger: 'INCIDENT_OPEN', title: 'shop' },
    { state: 'CLOSED', trigger: 'INCIDENT_CLOSED', title: 'shop' },
  ],
  [
    'Amazon SNS',
    { Type: 'Notification', Subject: 'ALARM: shop', Message: alarm('ALARM') },
    { Type: 'Notification', Subject: 'OK: shop', Message: alarm('OK') },
  ],
];

test.each(MESSAGES)('%s: its down is a down, its up an up', (_name, down, up) => {
  for (const [body, event] of [
    [down, 'down'],
    [up, 'up'],
  ] as const) {
    const seen = generic.read(body);
    expect(seen?.event).toBe(event);
    expect(seen?.names).toContain('shop');
  }
});

test.each([
  ['Cloudflare’s test', 'test', { text: 'Hello World! This is a test message sent from it.' }],
  ['PagerDuty’s test', 'test', { event: { event_type: 'pagey.ping', data: { type: 'ping' } } }],
  ['an acknowledgement', 'other', { event: { event_type: 'incident.acknowledged', data: {} } }],
  ['Grafana’s missing data', 'other', { ruleName: 'shop', state: 'no_data' }],
])('%s starts nothing', (_what, event, body) => {
  expect(generic.read(body)?.event).toBe(event);
});

test.each([
  ['an up in an alert', { event: 'alert', data: { status: 'up' } }],
  ['an up in a type', { type: 'Alert', data: { essentials: { monitorCondition: 'Resolved' } } }],
])('%s is an up', (_what, body) => {
  expect(generic.read(body)?.event).toBe('up');
});

test.each([
  ['an up within a down', { event: 'down', data: { status: 'up' } }],
  ['a request for a confirmation', { Type: 'SubscriptionConfirmation', SubscribeURL: 'https://x' }],
  ['an event of another program', { event: 'deploy.started', status: 'success' }],
  [
    'a down in one place and an up in another',
    { data: { status: 'down' }, alert: { state: 'up' } },
  ],
  ['too deep a message', { data: { data: { data: { data: { status: 'down' } } } } }],
])('%s is not understood', (_what, body) => {
  expect(generic.read(body)).toBeUndefined();
});

test.each([
  ...['DOWN', ' Down ', '🔴 Down', '[Down]', 'Triggered', 'Re-Triggered', 'ALERT_FAILURE'],
  ...['alerting', 'firing', 'uptime.down', 'incident.started', 'check_down', 'Alert', 'CRITICAL'],
])('"%s" is an outage', (event) => {
  expect(generic.read({ event, monitor: 'shop' })?.event).toBe('down');
});
