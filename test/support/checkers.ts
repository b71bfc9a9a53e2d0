/** The messages of uptime checkers, as each of them really sends them. */

const URL = 'http://vcl2:3000/coffees';

export const kuma = (status: number) => ({
  heartbeat: { monitorID: 3, status, time: '2026-11-22 19:30:00.000', msg: 'timeout of 48000ms' },
  monitor: { id: 3, name: 'coffee shop', url: URL, type: 'http' },
  msg: '[coffee shop] [🔴 Down] timeout of 48000ms',
});

export const robot = (alertType: number | string) => ({
  ...{ monitorID: '777', monitorURL: URL, alertType },
  ...{ monitorFriendlyName: 'coffee shop', alertDetails: 'Connection Timeout' },
});

export const alert = (status: string, instance = URL, alertname = 'CoffeeDown') => ({
  ...{ status, labels: { alertname, instance, severity: 'critical' } },
  ...{ annotations: {}, startsAt: '2026-11-22T19:30:00Z', endsAt: '0001-01-01T00:00:00Z' },
  ...{ generatorURL: 'http://prometheus:9090/graph', fingerprint: '8e9d4b1f7c4d1f2a' },
});

export const alertmanager = (...alerts: ReturnType<typeof alert>[]) => ({
  ...{ version: '4', groupKey: '{}:{alertname="CoffeeDown"}', truncatedAlerts: 0 },
  ...{ status: alerts.some(({ status }) => status === 'firing') ? 'firing' : 'resolved' },
  ...{ receiver: 'coldspare', groupLabels: { alertname: 'CoffeeDown' }, commonLabels: {} },
  ...{ commonAnnotations: {}, externalURL: 'http://alertmanager:9093', alerts },
});

export const grafana = (...alerts: ReturnType<typeof alert>[]) => ({
  ...alertmanager(...alerts),
  ...{ version: '1', orgId: 1, state: 'alerting', title: '[FIRING:1] CoffeeDown' },
  message: '**Firing**\n\nValue: A=0\nLabels:\n - alertname = CoffeeDown\n',
});

export const betterStack = (event: string, cause: string) => ({
  event,
  data: {
    ...{ id: '1', type: 'incident' },
    attributes: {
      ...{ name: 'coffee shop', url: URL, http_method: 'get', cause },
      ...{ started_at: '2026-11-22T19:30:00.151Z', acknowledged_at: null, resolved_at: null },
      ...{ response_content: null, response_url: null, screenshot_url: null },
    },
    relationships: { monitor: { data: { id: '4', type: 'monitor' } } },
  },
});

/** What it sends to the same URL when somebody changes a monitor. */
export const BETTER_STACK_MONITOR = {
  event: 'paused',
  data: {
    ...{ id: '4', type: 'monitor' },
    attributes: { url: URL, pronounceable_name: 'coffee shop', monitor_type: 'status' },
  },
};

export const healthchecks = (status: string, name = 'coffee shop') => ({
  ...{ code: '6f1b1a3e-2f6c-4b7e-9d52-0d9a4e0c7b11', name, status },
});

export const pingdom = (current_state: string) => ({
  ...{ check_id: 4_711, check_name: 'coffee shop', check_type: 'HTTP', tags: [], version: 1 },
  check_params: {
    ...{
      basic_auth: false,
      encryption: false,
      full_url: URL,
      header: 'User-Agent:Pingdom.com_bot',
    },
    ...{ hostname: 'vcl2', ipv6: false, port: 3_000, url: '/coffees' },
  },
  ...{ previous_state: 'UP', current_state, importance_level: 'HIGH' },
  ...{ state_changed_timestamp: 1_795_375_800, state_changed_utc_time: '2026-11-22T19:30:00' },
  ...{ description: 'HTTP Server Error 500', long_description: 'HTTP Server Error 500' },
  first_probe: { ip: '185.39.146.215', ipv6: '2a03:90c0:51::1', location: 'Stockholm, Sweden' },
  second_probe: { ip: '185.39.146.214', ipv6: '2a03:90c0:51::2', location: 'Austin, US' },
});

/** The manual's template, filled in by Gatus. */
export const gatus = (alert: string) => ({
  ...{ alert, endpoint: 'shop', group: 'coffee', url: URL },
});
