// npm run bench -- --sizes "10 MB,1.2 GB" --runs 3 --only takeover,push --out DIRECTORY
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { DockerEngine, missingDocker } from '../../test/support/docker-engine.js';
import { measureAgent } from './agent.js';
import type { Bench, Measure } from './bench.js';
import type { Measured } from './figures.js';
import { growthOf } from './growth.js';
import { measureHostLost } from './host-lost.js';
import { describeMachine } from './machine.js';
import { OldWay } from './old-way.js';
import { measurePrimaryCost } from './primary-cost.js';
import { measurePush } from './push.js';
import { renderMarkdown } from './report.js';
import { measureRestore } from './restore.js';
import { Shop } from './shop.js';
import { SIZES, type Size } from './sizes.js';
import { measureStream } from './stream.js';
import { measureTakeover } from './takeover.js';
import { measureUnchanged } from './unchanged.js';

/** The measurements, in their order. Those that do not depend on the size are made at one size. */
const MEASURES: Record<string, { measure: Measure; at?: 'smallest' | 'largest' }> = {
  push: { measure: measurePush },
  cost: { measure: measurePrimaryCost },
  takeover: { measure: measureTakeover },
  'host-lost': { measure: measureHostLost, at: 'smallest' },
  unchanged: { measure: measureUnchanged, at: 'largest' },
  restore: { measure: measureRestore },
  stream: { measure: measureStream },
  // The last, since it leaves 1.2 GB of noise behind.
  agent: { measure: measureAgent, at: 'smallest' },
};

const { values } = parseArgs({
  options: {
    sizes: { type: 'string', default: SIZES.map(({ name }) => name).join(',') },
    runs: { type: 'string', default: '3' },
    only: { type: 'string', default: Object.keys(MEASURES).join(',') },
    out: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  const names = Object.keys(MEASURES).join(',');
  const sizes = SIZES.map(({ name }) => name).join(',');
  console.log(
    `npm run bench -- [--sizes "${sizes}"] [--runs 3] [--only ${names}] [--out DIRECTORY]`,
  );
  process.exit();
}

/** The items of a list with commas. @throws when one is none of `known` */
const choose = (list: string, known: readonly string[]): string[] => {
  const chosen = list.split(',').map((item) => item.trim());
  const unknown = chosen.find((item) => !known.includes(item));
  if (unknown !== undefined) throw new Error(`"${unknown}" is none of: ${known.join(', ')}`);
  return known.filter((item) => chosen.includes(item));
};

const runs = Number(values.runs);
if (!Number.isInteger(runs) || runs < 1) throw new Error(`--runs ${values.runs}: give 1 or more`);
const only = choose(values.only, Object.keys(MEASURES));
const sizeNames = choose(
  values.sizes,
  SIZES.map(({ name }) => name),
);
const sizes = SIZES.filter(({ name }) => sizeNames.includes(name));

const measured: Measured[] = [];
const missing: string[] = [];
const databases = new Set<string>();
const began = performance.now();
const say = (text: string): void => {
  console.error(
    `${String(Math.round((performance.now() - began) / 1_000)).padStart(5)} s  ${text}`,
  );
};
const miss = (reason: string): void => {
  say(`NOT MEASURED ${reason}`);
  missing.push(reason);
};

/** What is undone at the end, the last first, whatever happens. */
const releases: (() => Promise<unknown>)[] = [];
const releaseDownTo = async (count: number): Promise<void> => {
  while (releases.length > count)
    await releases
      .pop()?.()
      .catch((error: unknown) => say(`cleaning up: ${error}`));
};
const interrupted = (): void => {
  say('interrupted: cleaning up');
  void releaseDownTo(0).finally(() => process.exit(130));
};
process.once('SIGINT', interrupted);
process.once('SIGTERM', interrupted);

type Engines = Record<'vcl2' | 'vcl3', DockerEngine>;

const startEngine = async (): Promise<DockerEngine> => {
  const engine = await DockerEngine.start();
  releases.push(() => engine.remove());
  return engine;
};

const open = async (engines: Engines, size: Size, directory: string): Promise<Bench> => {
  say(`${size.name}: filling the shop`);
  const shop = await Shop.open(engines, size);
  releases.push(() => shop.close());
  const old = await OldWay.open(engines.vcl3, await mkdtemp(join(directory, 'old-')));
  releases.push(() => old.close());
  const wanted: Bench['wanted'] = (atMost) => (size === SIZES.at(-1) ? { atMost } : {});
  return { shop, old, size: size.name, wanted, runs, directory, say, miss };
};

/** A failed measurement may leave the machines in any state, so they are restarted before the next one. */
const reboot = async (engines: Engines): Promise<void> => {
  for (const engine of Object.values(engines)) {
    await engine.losePower();
    await engine.boot();
  }
};

const measureSize = async (engines: Engines, size: Size, directory: string): Promise<void> => {
  const kept = releases.length;
  let bench: Bench | undefined;
  for (const name of only) {
    const { measure, at } = MEASURES[name] ?? {};
    const isElsewhere =
      (at === 'smallest' && size !== sizes[0]) || (at === 'largest' && size !== sizes.at(-1));
    if (measure === undefined || isElsewhere) continue;
    try {
      if (bench === undefined) {
        bench = await open(engines, size, directory);
        databases.add(`${size.name}: ${await bench.shop.databaseSize()}`);
      }
      measured.push(...(await measure(bench)));
    } catch (error) {
      miss(`${name} at ${size.name}: ${error instanceof Error ? error.message : error}`);
      bench = undefined;
      await releaseDownTo(kept);
      await reboot(engines);
    }
  }
  await releaseDownTo(kept);
};

const measureAll = async (): Promise<void> => {
  const directory = await mkdtemp(join(tmpdir(), 'bench-'));
  releases.push(() => rm(directory, { recursive: true, force: true }));
  say('starting two Docker engines');
  const engines = { vcl2: await startEngine(), vcl3: await startEngine() };
  for (const size of sizes) await measureSize(engines, size, directory);
  measured.push(...growthOf(measured));
};

const reason = missingDocker();
if (reason === undefined) {
  await measureAll()
    .catch((error: unknown) => miss(`the rest: ${error}`))
    .finally(() => releaseDownTo(0));
} else {
  for (const name of only) miss(`${name}: ${reason}`);
}

const header = {
  ...(await describeMachine()),
  databases: [...databases].join(', '),
  command: `npm run bench -- --sizes "${sizeNames.join(',')}" --runs ${runs} --only ${only.join(',')}`,
  runs: `${runs} of each, by turns with what it is compared with; median (least–most)`,
};
const report = { header, measured, missing };
const markdown = renderMarkdown(report);
console.log(markdown);
if (values.out !== undefined) {
  await mkdir(values.out, { recursive: true });
  await writeFile(join(values.out, 'bench.md'), markdown);
  await writeFile(join(values.out, 'bench.json'), `${JSON.stringify(report, null, 2)}\n`);
}
