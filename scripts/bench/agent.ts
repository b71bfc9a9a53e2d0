import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import autocannon from 'autocannon';
import type { ComposeMachine } from '../../test/support/compose-pair.js';
import { watchMemory } from '../../test/support/processes.js';
import type { AgentProcess } from '../lib/agent-process.js';
import { freePorts } from '../lib/free-port.js';
import type { Bench } from './bench.js';
import type { Measured, Row } from './figures.js';
import { cpuUsed } from './process-usage.js';

const MIB = 1024 * 1024;
const NOISE_BYTES = 1_200 * MIB;
const IDLE_SECONDS = 30;
const BARE_SERVER = fileURLToPath(new URL('./bare-server.js', import.meta.url));

/** What the agents themselves take: memory, CPU when idle, and how many questions one answers. */
export const measureAgent = async (bench: Bench): Promise<Measured[]> => {
  // A standby that has something to prepare is not idle.
  await bench.shop.backUp();
  return [
    { title: 'CPU when idle, of one core', rows: await measureIdleCpu(bench) },
    // Before the load, which leaves an agent larger.
    { title: 'Resident memory of the agents', rows: await measureMemory(bench) },
    { title: 'HTTP, 10 connections', rows: await measureHttp(bench) },
  ];
};

const pidOf = ({ agent }: ComposeMachine): number => agent.pid ?? 0;

const measureIdleCpu = async ({ shop, say }: Bench): Promise<Row[]> => {
  say(`idle for ${IDLE_SECONDS} s`);
  const machines = [shop.vcl2, shop.vcl3];
  const look = () => Promise.all(machines.map((machine) => cpuUsed(pidOf(machine))));
  const before = await look();
  await pause(IDLE_SECONDS * 1_000);
  const after = await look();
  const share = (index: number, whose: 'own' | 'children') => {
    const used = (after[index]?.[whose] ?? 0) - (before[index]?.[whose] ?? 0);
    return [used / (IDLE_SECONDS * 10)];
  };
  return ['primary', 'standby'].flatMap((role, index) => [
    { what: role, unit: '%', ours: share(index, 'own') },
    { what: `${role}: the programs it runs`, unit: '%', ours: share(index, 'children') },
  ]);
};

const measureMemory = async ({ shop, say }: Bench): Promise<Row[]> => {
  say('memory: making 1.2 GB of noise');
  await shop.addNoise(NOISE_BYTES);
  say('memory: pushing it');
  const { idle, peak } = await watchMemory([pidOf(shop.vcl2), pidOf(shop.vcl3)], () =>
    shop.run(shop.vcl2, '/backups'),
  );
  const row = (what: string, bytes: number, value: number): Row => ({
    what,
    unit: 'MiB',
    ours: [bytes / MIB],
    atMost: { value },
  });
  return ['sending', 'receiving'].flatMap((doing, index) => [
    row(`idle, ${index === 0 ? 'primary' : 'standby'}`, idle[index] ?? 0, 110),
    row(`more at most while ${doing} 1.2 GB`, (peak[index] ?? 0) - (idle[index] ?? 0), 64),
  ]);
};

const measureHttp = async ({ shop, runs, say }: Bench): Promise<Row[]> => {
  const rows: Row[] = [];
  for (const path of ['/health', '/primary']) {
    const bare = await startBareServer(shop.vcl2.agent, path);
    try {
      const [ours, theirs]: [Load[], Load[]] = [[], []];
      for (let turn = 1; turn <= runs; turn += 1) {
        say(`${path} ${turn} of ${runs}`);
        ours.push(await load(shop.vcl2.agent.url + path));
        theirs.push(await load(bare.url));
      }
      const row = (what: string, unit: string, pick: (each: Load) => number): Row => ({
        what: `${path}: ${what}`,
        unit,
        ours: ours.map(pick),
        baseline: { name: 'bare node:http', runs: theirs.map(pick) },
      });
      rows.push(
        row('requests', 'per second', ({ perSecond }) => perSecond),
        row('99th percentile', 'ms', ({ p99 }) => p99),
      );
    } finally {
      await bare.stop();
    }
  }
  return rows;
};

interface Load {
  perSecond: number;
  p99: number;
}

const load = async (url: string): Promise<Load> => {
  const { requests, latency, errors, non2xx } = await autocannon({
    url,
    connections: 10,
    duration: 5,
  });
  if (errors + non2xx > 0) throw new Error(`${url}: ${errors} errors, ${non2xx} refusals`);
  return { perSecond: requests.average, p99: latency.p99 };
};

/** A process of its own that answers what the agent answers there. */
const startBareServer = async (agent: AgentProcess, path: string) => {
  const { body, headers } = await agent.get(path);
  const [port = 0] = await freePorts(1);
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const child = spawn(
    process.execPath,
    [BARE_SERVER, `${port}`, headers.get('content-type') ?? 'text/plain', text],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  // It says so when it listens.
  await once(child.stdout, 'data');
  return {
    url: `http://127.0.0.1:${port}${path}`,
    stop: async () => {
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
};
