import { readdir, readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { execa } from 'execa';
import { Random } from '../test/simulation/random.js';
import { COSTLY } from '../test/support/costly-files.js';
import { commitSeed } from './lib/commit-seed.js';

/**
 * The second tier of the tests: everything that ./scripts/test only samples. It runs in slices of a few minutes, in an
 * order drawn by the seed, so that a short soak also covers a part of everything. Exits with 1 when a slice fails.
 */
const USAGE = `usage: npm run soak                        everything once
       npm run soak -- --minutes 60        again and again with new seeds; a slice that has begun is finished
       npm run soak -- --seed 7 --only faults`;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string' },
    seed: { type: 'string' },
    /** Only slices whose command line contains this. */
    only: { type: 'string', default: '' },
    help: { type: 'boolean', default: false },
  },
});

/** Characters of a failed slice's output that are shown. */
const TAIL = 6_000;

/** A command line that runs one part of the tests. */
type Slice = string;

const slicesOf = async (seed: number): Promise<Slice[]> => {
  const files = new Set([...(await filesThatDraw()), ...COSTLY]);
  files.delete(MUTANTS);
  const tests = [...files].map((file) => `SOAK=true TEST_SEED=${seed} npx vitest run ${file}`);
  return [...tests, 'npm run mutants'].filter((slice) => slice.includes(values.only));
};

/** They have their own command. */
const MUTANTS = 'test/simulation/mutants.test.ts';

/** What a test file imports that runs only a sample in ./scripts/test. */
const DRAWS = /\/(sample|fault-rules|stack-contract)\.js'/;

const filesThatDraw = async (): Promise<string[]> => {
  const names = await readdir('test', { recursive: true });
  const files = names.filter((name) => name.endsWith('.test.ts')).map((name) => `test/${name}`);
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8')));
  return files.filter((_, index) => DRAWS.test(texts[index] ?? ''));
};

const shuffled = (slices: Slice[], seed: number): Slice[] => {
  const random = new Random(seed);
  return slices
    .map((slice) => ({ slice, at: random.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ slice }) => slice);
};

const play = async (slice: Slice): Promise<boolean> => {
  const began = performance.now();
  const { exitCode, all } = await execa('bash', ['-c', slice], {
    all: true,
    reject: false,
    stdin: 'ignore',
  });
  const seconds = Math.round((performance.now() - began) / 1_000);
  const isGood = exitCode === 0;
  console.log(`${isGood ? 'ok    ' : 'FAILED'} ${String(seconds).padStart(5)} s  ${slice}`);
  if (!isGood) console.log(all.slice(-TAIL));
  return isGood;
};

const main = async (): Promise<void> => {
  const first = Number(values.seed ?? commitSeed());
  const deadline = performance.now() + Number(values.minutes ?? 0) * 60_000;
  const isOver = () => values.minutes !== undefined && performance.now() > deadline;
  let played = 0;
  let failed = 0;
  for (let seed = first; seed === first || (values.minutes !== undefined && !isOver()); seed += 1) {
    const slices = shuffled(await slicesOf(seed), seed);
    console.log(`seed ${seed}, ${slices.length} slices:`);
    for (const slice of slices) {
      if (isOver()) break;
      played += 1;
      if (!(await play(slice))) failed += 1;
    }
  }
  console.log(`${played} slices played, ${failed} failed`);
  if (failed > 0) process.exitCode = 1;
};

if (values.help) console.log(USAGE);
else await main();
