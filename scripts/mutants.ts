import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { applyEdits, type Edit, readCode } from '../test/simulation/break-code.js';
import { MUTANTS, type Mutant } from '../test/simulation/mutants.js';

/**
 * Proves that the simulation can fail: breaks each guard on purpose, in a copy of what was built, and waits for the
 * simulation to notice. The same schedule without the mutation has to be free of violations. Exits with 1 when a
 * mutant survives.
 */
const { values } = parseArgs({
  options: {
    /** How many schedules each mutant gets. */
    seeds: { type: 'string', default: '10000' },
    /** Only mutants whose name contains this. */
    only: { type: 'string', default: '' },
    /** Only these. */
    name: { type: 'string', multiple: true },
    /** Without the mutants that need thousands of schedules. */
    quick: { type: 'boolean', default: false },
    /** For finding out what schedules catch a mutant soonest, as JSON; instead of the recorded one. */
    focus: { type: 'string' },
  },
});

const code = await readCode();

interface Catch {
  seed: string;
  violation: string;
  /** How many schedules were played until then. */
  schedules: string;
}

const main = async (): Promise<void> => {
  const copy = await mkdtemp(join(tmpdir(), 'coldspare-mutants-'));
  try {
    await cp('dist', join(copy, 'dist'), { recursive: true });
    await cp('package.json', join(copy, 'package.json'));
    await symlink(resolve('node_modules'), join(copy, 'node_modules'));
    const mutants = MUTANTS.filter(isWanted).map(focused);
    const caught: Mutant[] = [];
    for (const mutant of mutants) {
      const found = await tryMutant(copy, mutant);
      console.log(`rule ${mutant.rule} | ${mutant.name} | ${formatCatch(mutant, found)}`);
      if (found !== undefined) caught.push(mutant);
    }
    const rules = new Set(caught.map(({ rule }) => rule)).size;
    console.log(`${caught.length} of ${mutants.length} mutants caught, of ${rules} rules`);
    if (caught.length < mutants.length) process.exitCode = 1;
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
};

const isWanted = ({ name, isRare }: Mutant): boolean =>
  name.includes(values.only) && (values.name?.includes(name) ?? true) && !(values.quick && isRare);

const focused = (mutant: Mutant): Mutant =>
  values.focus === undefined ? mutant : { ...mutant, focus: JSON.parse(values.focus) };

const formatCatch = ({ focus }: Mutant, found: Catch | undefined): string => {
  if (found === undefined) return 'NOT CAUGHT';
  const about = focus === undefined ? '' : ` about ${JSON.stringify(focus)}`;
  return `after ${found.schedules} schedules${about} | seed ${found.seed} ${found.violation}`;
};

/** How the simulation noticed; undefined when it did not. */
const tryMutant = async (copy: string, mutant: Mutant): Promise<Catch | undefined> => {
  const built = await buildMutant(copy, mutant);
  try {
    const found = await hunt(copy, mutant, [
      '--until-violation',
      '--share=0/1',
      `--seeds=${values.seeds}`,
    ]);
    if (found === undefined) return undefined;
    const unbroken = await hunt(process.cwd(), mutant, [`--seed=${found.seed}`]);
    if (unbroken === undefined) return found;
    throw new Error(`seed ${found.seed} fails without "${mutant.name}": ${unbroken.violation}`);
  } finally {
    for (const path of built) await cp(path, join(copy, path));
  }
};

/** Writes what the mutant edits into the copy's dist/. Resolves to the paths there. */
const buildMutant = async (copy: string, { name, edits }: Mutant): Promise<string[]> => {
  const changed = changesOf(name, edits);
  for (const [path, text] of changed) await writeFile(join(copy, path), text);
  return [...changed.keys()];
};

const changesOf = (name: string, edits: readonly Edit[]): Map<string, string> => {
  try {
    return applyEdits(code, edits);
  } catch (cause) {
    throw new Error(`"${name}" does not fit the code any more: ${(cause as Error).message}`);
  }
};

/** The first violation that the simulation in `directory` finds; undefined when it finds none. */
const hunt = async (
  directory: string,
  { name, focus = {} }: Mutant,
  args: string[],
): Promise<Catch | undefined> => {
  const { status, output } = await run(directory, [
    process.execPath,
    'dist/scripts/simulate.js',
    `--focus=${JSON.stringify(focus)}`,
    ...args,
  ]);
  if (status === 0) return undefined;
  const [, seed, violation] = /^ {2}seed (\d+) (.*)$/m.exec(output) ?? [];
  const [, schedules] = /^(\d+) schedules,/m.exec(output) ?? [];
  if (seed === undefined || violation === undefined || schedules === undefined)
    throw new Error(`the simulation of "${name}" broke:\n${output}`);
  return { seed, violation: violation.slice(0, 140), schedules };
};

const run = async (
  cwd: string,
  [program = '', ...args]: string[],
): Promise<{ status: number | null; output: string }> => {
  const child = spawn(program, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const collect = (data: Buffer) => {
    output += data;
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  const [status] = await once(child, 'close');
  return { status, output };
};

await main();
