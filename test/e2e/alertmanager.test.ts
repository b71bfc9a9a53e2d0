import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { OperationRecord } from '../../src/domain/operation.js';
import {
  alert,
  alertmanager,
  betterStack,
  gatus,
  grafana,
  healthchecks,
  kuma,
  pingdom,
  robot,
} from '../support/checkers.js';
import { eventually, type Machine, type Pair, serves, startPair, TOKENS } from '../support/pair.js';
import {
  describePrometheus,
  monitoringQueries,
  type Prometheus,
  startPrometheus,
} from '../support/prometheus.js';
import { describeVcl1, startVcl1, type Vcl1 } from '../support/vcl1.js';

/** How every checker says that the service is down. */
const DOWN = Object.entries({
  generic: { event: 'down', monitor: 'coffee shop' },
  'uptime-kuma': kuma(0),
  uptimerobot: robot(1),
  'better-stack': betterStack('started', 'Error 500'),
  healthchecks: healthchecks('down'),
  grafana: grafana(alert('firing')),
  alertmanager: alertmanager(alert('firing')),
  pingdom: pingdom('DOWN'),
  gatus: gatus('TRIGGERED'),
});

/** Milliseconds within which a webhook is to be answered. */
const PROMISED = 300;

const story = () => {
  let pair: Pair;
  let vcl1: Vcl1;
  let prometheus: Prometheus;
  beforeAll(async () => {
    pair = await startPair({ start: false });
    const { vcl2, vcl3 } = pair;
    vcl1 = await startVcl1('haproxy', pair);
    const monitors = [vcl1.url, 'coffee shop', 'coffee/shop', 'http://vcl2:3000/coffees'];
    await Promise.all([
      vcl2.agent.start(),
      vcl3.agent.start({ WEBHOOK_MONITORS: monitors.join(',') }),
    ]);
    await serves(vcl2);
    prometheus = await startPrometheus({
      vcl2: new URL(vcl2.agent.url).host,
      vcl3: new URL(vcl3.agent.url).host,
      service: vcl1.url,
      webhookToken: TOKENS.webhook,
    });
  });
  afterAll(async () => {
    await prometheus?.close();
    await vcl1?.close();
    await pair?.remove();
  });

  const promotes = async () =>
    (await pair.vcl3.agent.operations()).filter(({ kind }) => kind === 'promote');
  /** Without those that came to nothing: a machine that is too busy to answer a check looks down for a moment. */
  const taken = async () => (await promotes()).filter(({ state }) => state !== 'refused');
  /** Webhooks of Alertmanager that VCL3 has answered with this status. */
  const answered = async (status: number) =>
    (await logOf(pair.vcl3)).filter(
      (line) => line.path === '/webhooks/alertmanager' && line.status === status,
    );

  test('Prometheus sees who serves, and that the users are served', async () => {
    const serving = async () => {
      const samples = await prometheus.query(
        'coldspare_serving * on (instance) group_left (node) coldspare_info',
      );
      return samples.map(({ metric, value }) => [metric.node, value]).sort();
    };
    await expect.poll(serving).toEqual([
      ['vcl2', 1],
      ['vcl3', 0],
    ]);
    await eventually('the service is seen', async () => {
      const [probe] = await prometheus.query('probe_success{job="service"}');
      return probe?.value === 1;
    });
  });

  test.each(['vcl2', 'vcl3'] as const)(
    'the metrics of %s are well named, and every one that the alerts and the dashboard use is there',
    async (name) => {
      if (name === 'vcl2') await pair.vcl2.do('/backups');
      const { body } = await pair[name].agent.get<string>('/metrics');
      execFileSync('promtool', ['check', 'metrics'], { input: body });
      const known = [...body.matchAll(/^# TYPE (\w+) (\w+)$/gm)].flatMap(([, metric = '', type]) =>
        type === 'histogram' ? ['_bucket', '_sum', '_count'].map((end) => metric + end) : metric,
      );
      const { alerts, dashboard } = monitoringQueries();
      const used = [alerts, ...dashboard].flatMap(
        (text) => text.match(/\b(coldspare|nodejs|process)_[a-z0-9_]+/g) ?? [],
      );
      expect(new Set(used).size).toBeGreaterThan(15);
      expect(used.filter((metric) => !known.includes(metric))).toEqual([]);
    },
  );

  test('an alert about something else starts nothing, whether it comes to the agent or not', async () => {
    await prometheus.raise({ alertname: 'DiskFull', instance: vcl1.url });
    await prometheus.raise({ alertname: 'ServiceDown', instance: 'https://blog.example' });
    await eventually('people are told of the one', async () =>
      /^alertmanager_notifications_total\{integration="email"\} [1-9]/m.test(
        await prometheus.alertmanagerMetrics(),
      ),
    );
    await eventually(
      'the agent is told of the other',
      async () => (await answered(200)).length > 0,
    );
    expect(await saidOf(pair.vcl3, 'https://blog.example')).toMatchObject({ event: 'down' });
    const reasons = (await promotes()).map(({ reason }) => reason);
    expect(reasons.filter((reason) => /DiskFull|blog/.test(reason))).toEqual([]);
  });

  test('VCL2 dies, the alert fires, VCL3 serves, and every webhook is answered at once', async ({
    task,
  }) => {
    const { vcl2, vcl3 } = pair;
    expect(await vcl2.write('an order')).toBe(true);
    await vcl2.do('/backups');
    await vcl3.inject([{ label: 'promote.restore', moment: 'before', action: 'hold' }]);
    await vcl2.losePower();

    const running = await eventually('Alertmanager has VCL3 promoted', async () => {
      const [record] = await taken();
      return record?.steps.some(({ name }) => name === 'restore') && record;
    });
    expect(running).toMatchObject({
      source: 'webhook',
      state: 'running',
      reason: `Alertmanager: ServiceDown on ${vcl1.url} is firing`,
    });
    await eventually('Alertmanager says it again', async () => (await answered(202)).length > 2);
    const asking = askOften(vcl3);
    await eventually('every checker has said so', async () => asking.answers.length > DOWN.length);
    await vcl3.release();
    await serves(vcl3);
    await asking.stop();

    expect(await vcl3.entries()).toEqual(['SEED', 'an order']);
    expect(await taken()).toMatchObject([{ id: running.id, state: 'done' }]);
    // Those that came after its end were told that nothing is to be done.
    const during = asking.answers.filter(({ status }) => status !== 200);
    expect(new Set(during.map(({ status, id }) => `${status} ${id}`))).toEqual(
      new Set([`202 ${running.id}`]),
    );
    const took = during.map(({ ms }) => ms).sort((a, b) => a - b);
    const median = took[Math.floor(took.length / 2)] ?? Number.NaN;
    expect(median).toBeLessThan(PROMISED);
    task.meta.figure = `${took.length} webhooks of ${DOWN.length} checkers while a promote ran: answered in ${Math.ceil(median)} ms (median), ${Math.ceil(took.at(-1) ?? 0)} ms at most`;
  });

  test('that the service is up again is written down, and starts nothing (T25)', async () => {
    const { vcl3 } = pair;
    const up = await eventually('Alertmanager says that it is resolved', async () =>
      (await logOf(vcl3)).find(({ event }) => event === 'up'),
    );
    expect(up).toMatchObject({
      monitor: vcl1.url,
      because: `Alertmanager: ServiceDown on ${vcl1.url} is resolved`,
    });
    expect(await taken()).toHaveLength(1);
    expect(await vcl3.agent.status()).toMatchObject({ mode: 'primary', operation: null });
  });
};

describePrometheus('Prometheus, the blackbox exporter and Alertmanager', story, (name, tests) =>
  describeVcl1('haproxy', name, tests),
);

interface LogLine {
  [name: string]: unknown;
}

const logOf = async (machine: Machine): Promise<LogLine[]> => {
  const text = await readFile(join(machine.directory, 'agent.log'), 'utf8');
  return text
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line));
};

/** What a checker said about this monitor, as the agent wrote it down when it started nothing. */
const saidOf = async (machine: Machine, monitor: string): Promise<LogLine | undefined> =>
  (await logOf(machine)).find((line) => line.monitor === monitor && line.event !== undefined);

interface Answered {
  status: number;
  id: string | undefined;
  ms: number;
}

/** One checker after the other says that the service is down, without a pause, until `stop`. */
const askOften = ({ agent }: Machine) => {
  const answers: Answered[] = [];
  let isOver = false;
  const ask = async () => {
    for (let index = 0; !isOver; index += 1) {
      const [provider, body] = DOWN[index % DOWN.length] ?? [];
      const began = performance.now();
      const answer = await agent.call<Partial<OperationRecord>>('POST', `/webhooks/${provider}`, {
        token: TOKENS.webhook,
        body,
      });
      const ms = performance.now() - began;
      answers.push({ status: answer.status, id: answer.body.id, ms });
    }
  };
  const asked = ask();
  return {
    answers,
    stop: async () => {
      isOver = true;
      await asked;
    },
  };
};
