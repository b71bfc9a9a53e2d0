import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import autocannon from 'autocannon';
import { residentMemory, watchMemory } from '../../test/support/processes.js';
import type { AgentProcess } from '../lib/agent-process.js';
import { freePorts } from '../lib/free-port.js';
import type { Bench } from './bench.js';
import type { Measured, Row } from './figures.js';
import { cpuUsed } from './process-usage.js';
import type { Shop } from './shop.js';

const MIB = 1024 * 1024;
const NOISE_BYTES = 1_200 * MIB;
/** After its start, until nothing of that is left to do. */
const SETTLE_SECONDS = 10;
const IDLE_SECONDS = 30;
const BARE_SERVER = fileURLToPath(new URL('./bare-server.js', import.meta.url));

/** What the agents themselves need: memory, idle CPU, and the requests that one answers in a second. */
export const measureAgent = async (bench: Bench): Promise<Measured[]> => {
  const turns = await takeTurns(bench);
  return [
    {
      title: 'Agents',
      rows: ['primary', 'standby'].flatMap((role, at) => agentRows(role, turns, at)),
    },
    // Last, since the load leaves an agent larger.
    { title: 'HTTP, 10 connections', rows: await measureHttp(bench) },
  ];
};

/** Of the primary and of the standby, in this order. */
interface Turn {
  cpu: { own: number; children: number }[];
  /** Bytes. */
  idle: number[];
  /** Bytes, while 1.2 GB were sent and received. */
  peak: number[];
  /** Bytes that the smallest program with node:http takes. */
  bare: number;
}

/** Agents are restarted for each figure: memory left over from a push would count as idle memory in the next one. */
const takeTurns = async ({ shop, runs, say }: Bench): Promise<Turn[]> => {
  const bare = await startBareServer(shop.vcl2.agent, '/health');
  try {
    say('agents: making 1.2 GB of noise');
    await shop.addNoise(NOISE_BYTES);
    const turns: Turn[] = [];
    for (let turn = 1; turn <= runs; turn += 1) {
      say(`agents ${turn} of ${runs}`);
      turns.push(await takeTurn(shop, bare.pid));
    }
    return turns;
  } finally {
    await bare.stop();
  }
};

const takeTurn = async (shop: Shop, barePid: number | undefined): Promise<Turn> => {
  await Promise.all([shop.restart(shop.vcl2), shop.restart(shop.vcl3)]);
  await shop.serves(shop.vcl2);
  await shop.order(shop.vcl2);
  await pause(SETTLE_SECONDS * 1_000);
  const pids = [shop.vcl2, shop.vcl3].map(({ agent }) => agent.pid ?? 0);
  const before = await Promise.all(pids.map(cpuUsed));
  await pause(IDLE_SECONDS * 1_000);
  const after = await Promise.all(pids.map(cpuUsed));
  const bare = await residentMemory(barePid);
  const { idle, peak, result } = await watchMemory(pids, () => shop.run(shop.vcl2, '/backups'));
  // A standby that has something to prepare is not idle.
  await shop.isPrepared(result);
  const used = (whose: 'own' | 'children', at: number) =>
    (after[at]?.[whose] ?? 0) - (before[at]?.[whose] ?? 0);
  const cpu = pids.map((_, at) => ({ own: used('own', at), children: used('children', at) }));
  return { cpu, idle, peak, bare };
};

const agentRows = (role: string, turns: readonly Turn[], at: number): Row[] => {
  const cpu = (what: string, whose: 'own' | 'children'): Row => ({
    what: `${role}: ${what}`,
    unit: '% of a core',
    ours: turns.map((turn) => (turn.cpu[at]?.[whose] ?? 0) / (IDLE_SECONDS * 10)),
  });
  const mib = (bytes = 0) => bytes / MIB;
  return [
    cpu('CPU when idle', 'own'),
    cpu('CPU when idle, of the programs it runs', 'children'),
    {
      what: `${role}: memory when idle`,
      unit: 'MiB',
      ours: turns.map(({ idle }) => mib(idle[at])),
      baseline: { name: 'bare node:http', runs: turns.map(({ bare }) => mib(bare)) },
      atMost: { value: 110 },
    },
    {
      what: `${role}: more at most while ${at === 0 ? 'sending' : 'receiving'} 1.2 GB`,
      unit: 'MiB',
      ours: turns.map(({ idle, peak }) => mib(peak[at]) - mib(idle[at])),
      atMost: { value: 64 },
    },
  ];
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

/** A separate process that gives the same answer as the agent at that path. */
const startBareServer = async (agent: AgentProcess, path: string) => {
  const { body, headers } = await agent.get(path);
  const [port = 0] = await freePorts(1);
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const child = spawn(
    process.execPath,
    [BARE_SERVER, `${port}`, headers.get('content-type') ?? 'text/plain', text],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  // It prints a line when it listens.
  await once(child.stdout, 'data');
  return {
    url: `http://127.0.0.1:${port}${path}`,
    pid: child.pid,
    stop: async () => {
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
};
