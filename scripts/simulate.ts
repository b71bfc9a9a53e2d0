import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { add, count, type Figures, formatFigures, noFigures } from '../test/simulation/figures.js';
import type { Focus } from '../test/simulation/focus.js';
import { runSchedule } from '../test/simulation/schedule.js';

const USAGE = `usage: npm run simulate -- [--seeds 10000] [--from 0]
       npm run simulate -- --seed 42 [--trace]`;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '0' },
    seed: { type: 'string' },
    trace: { type: 'boolean', default: false },
    /** Stops at the first violation. */
    'until-violation': { type: 'boolean', default: false },
    /** What the schedules are about, as JSON. */
    focus: { type: 'string', default: '{}' },
    help: { type: 'boolean', default: false },
    /** For the children of this script: play every n-th seed. */
    share: { type: 'string' },
  },
});

const focus: Focus = JSON.parse(values.focus);

const main = async (): Promise<Figures> => {
  if (values.seed !== undefined) return playOne(Number(values.seed));
  const from = Number(values.from);
  const end = from + Number(values.seeds);
  if (values.share === undefined) return playAll();
  const [first = 0, every = 1] = values.share.split('/').map(Number);
  return play(from + first, end, every);
};

const playOne = async (seed: number): Promise<Figures> => {
  const onLine = values.trace ? (line: string) => console.log(line) : () => {};
  const outcome = await runSchedule(seed, { onLine, focus });
  console.log(`digest of the story: ${outcome.digest}`);
  return count(noFigures(), outcome);
};

const play = async (from: number, end: number, every: number): Promise<Figures> => {
  // Thousands of refusals a second: nobody reads where they came from.
  Error.stackTraceLimit = 0;
  let figures = noFigures();
  for (let seed = from; seed < end; seed += every) {
    figures = count(figures, await runSchedule(seed, { focus }));
    if (values['until-violation'] && figures.failures.length > 0) break;
  }
  const { user, system } = process.cpuUsage();
  return { ...figures, processor: (user + system) / 1_000 };
};

/** One child a core, each with its share of the seeds. */
const playAll = async (): Promise<Figures> => {
  const cores = availableParallelism();
  const children = Array.from({ length: cores }, (_, index) =>
    fork(fileURLToPath(import.meta.url), [...process.argv.slice(2), `--share=${index}/${cores}`]),
  );
  const shares = children.map(async (child) => {
    const figures = await answerOf(child);
    if (values['until-violation'] && figures.failures.length > 0)
      for (const other of children) other.kill();
    return figures;
  });
  return (await Promise.all(shares)).reduce(add);
};

/** A child that another one's violation has ended adds nothing. */
const answerOf = async (child: ChildProcess): Promise<Figures> => {
  const ended = once(child, 'exit').then(() => undefined);
  const answer = await Promise.race([once(child, 'message'), ended]);
  if (answer !== undefined) return answer[0] as Figures;
  if (child.signalCode === 'SIGTERM') return noFigures();
  throw new Error('a share of the simulation ended without an answer');
};

if (values.help) {
  console.log(USAGE);
} else {
  const began = performance.now();
  const figures = await main();
  if (process.send !== undefined) process.send(figures);
  else {
    const seconds = (performance.now() - began) / 1_000;
    for (const line of formatFigures(figures, seconds)) console.log(line);
    process.exitCode = figures.failures.length > 0 ? 1 : 0;
  }
  process.disconnect?.();
}
