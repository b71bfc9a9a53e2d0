import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from 'vitest';
import { eventually } from '../../scripts/lib/agent-process.js';
import { freePorts } from '../../scripts/lib/free-port.js';

/** The configuration that the manual tells people to copy. */
export const MONITORING = 'scripts/monitoring';

const PACKAGES = ['prometheus', 'prometheus-blackbox-exporter', 'prometheus-alertmanager'];

type Describe = (name: string, tests: () => void) => void;

/** `describe` for tests that need Debian's packages of Prometheus; never skipped in CI. */
export const describePrometheus = (
  name: string,
  tests: () => void,
  describeNext: Describe = describe,
): void => {
  const missing = PACKAGES.filter((program) => !existsSync(`/usr/bin/${program}`)).join(', ');
  if (missing === '') {
    describeNext(name, tests);
  } else if (process.env.CI === 'true') {
    throw new Error(`${name}: not installed: ${missing}`);
  } else {
    console.warn(`SKIPPED ${name}: not installed: ${missing}`);
    describe.skip(`${name} (not installed: ${missing})`, tests);
  }
};

/** The queries of the alert rules and of the dashboard. */
export const monitoringQueries = (): { alerts: string; dashboard: string[] } => ({
  alerts: readFileSync(join(MONITORING, 'alerts.yml'), 'utf8'),
  dashboard: JSON.parse(readFileSync(join(MONITORING, 'dashboard.json'), 'utf8')).panels.flatMap(
    (panel: { targets: { expr: string }[] }) => panel.targets.map(({ expr }) => expr),
  ),
});

export interface Prometheus {
  /** The current values of a query, by their labels as JSON. */
  query(expression: string): Promise<{ metric: Record<string, string>; value: number }[]>;
  /** Sends Alertmanager an alert that does not come from Prometheus. */
  raise(labels: Record<string, string>): Promise<void>;
  /** The metrics of Alertmanager itself. */
  alertmanagerMetrics(): Promise<string>;
  close(): Promise<void>;
}

/**
 * Prometheus, the blackbox exporter and Alertmanager, with the example configuration but for the addresses and for
 * the intervals, which are as short as the programs take them.
 */
export const startPrometheus = async (options: {
  vcl2: string;
  vcl3: string;
  /** The address that users call. */
  service: string;
  webhookToken: string;
}): Promise<Prometheus> => {
  const directory = await mkdtemp(join(tmpdir(), 'coldspare-prometheus-'));
  const [prometheus, blackbox, alertmanager, nowhere] = (await freePorts(4)).map(
    (port) => `127.0.0.1:${port}`,
  ) as [string, string, string, string];
  const tokenFile = join(directory, 'coldspare.token');
  await writeFile(tokenFile, options.webhookToken);
  const changes: Record<string, [from: string, to: string][]> = {
    'prometheus.yml': [
      ['10.0.0.2:8080', options.vcl2],
      ['10.0.0.3:8080', options.vcl3],
      ['https://shop.example/coffees', options.service],
      ['127.0.0.1:9093', alertmanager],
      ['127.0.0.1:9115', blackbox],
      ['scrape_interval: 15s', 'scrape_interval: 1s'],
      ['evaluation_interval: 5s', 'evaluation_interval: 500ms'],
      // The exporter gives a check half a second less than this.
      ['scrape_interval: 5s', 'scrape_interval: 2s'],
    ],
    'blackbox.yml': [],
    'alerts.yml': [['for: 15s', 'for: 1s']],
    'alertmanager.yml': [
      ['10.0.0.2:8080', options.vcl2],
      ['10.0.0.3:8080', options.vcl3],
      ['/etc/prometheus/coldspare.token', tokenFile],
      ['mail.example:587', nowhere],
      ['group_wait: 10s', 'group_wait: 0s'],
      ['group_interval: 30s', 'group_interval: 1s'],
      ['repeat_interval: 1m', 'repeat_interval: 1s'],
    ],
  };
  for (const [name, replacements] of Object.entries(changes)) {
    const example = await readFile(join(MONITORING, name), 'utf8');
    await writeFile(join(directory, name), replacements.reduce(replace, example));
  }
  const file = (name: string) => `--config.file=${join(directory, name)}`;
  const programs = [
    start(directory, 'prometheus-blackbox-exporter', [
      file('blackbox.yml'),
      `--web.listen-address=${blackbox}`,
    ]),
    start(directory, 'prometheus-alertmanager', [
      file('alertmanager.yml'),
      `--storage.path=${join(directory, 'alertmanager')}`,
      `--web.listen-address=${alertmanager}`,
      '--cluster.listen-address=',
    ]),
    start(directory, 'prometheus', [
      file('prometheus.yml'),
      `--storage.tsdb.path=${join(directory, 'prometheus')}`,
      `--web.listen-address=${prometheus}`,
    ]),
  ];
  const close = async () => {
    await Promise.all(programs.map((program) => program.stop()));
    await rm(directory, { recursive: true, force: true });
  };
  try {
    await Promise.all(
      [`${prometheus}/-/ready`, `${alertmanager}/-/ready`, `${blackbox}/-/healthy`].map((address) =>
        eventually(`${address} answers`, async () => (await fetch(`http://${address}`)).ok),
      ),
    );
  } catch (error) {
    const logs = await Promise.all(programs.map(({ log }) => readFile(log, 'utf8')));
    await close();
    throw new Error(logs.join('\n'), { cause: error });
  }
  return {
    query: async (expression) => {
      const query = new URLSearchParams({ query: expression });
      const response = await fetch(`http://${prometheus}/api/v1/query?${query}`);
      const { data } = (await response.json()) as {
        data: { result: { metric: Record<string, string>; value: [number, string] }[] };
      };
      return data.result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
    },
    raise: async (labels) => {
      const response = await fetch(`http://${alertmanager}/api/v2/alerts`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify([{ labels }]),
      });
      if (!response.ok) throw new Error(await response.text());
    },
    alertmanagerMetrics: async () => (await fetch(`http://${alertmanager}/metrics`)).text(),
    close,
  };
};

const replace = (text: string, [from, to]: [string, string]): string => {
  if (!text.includes(from)) throw new Error(`the example says nowhere ${from}`);
  return text.replaceAll(from, to);
};

const start = (directory: string, program: string, args: string[]) => {
  const log = join(directory, `${program}.log`);
  const output = openSync(log, 'a');
  const child = spawn(`/usr/bin/${program}`, args, { stdio: ['ignore', output, output] });
  closeSync(output);
  return {
    log,
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    },
  };
};
