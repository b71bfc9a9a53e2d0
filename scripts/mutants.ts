import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { MUTANTS, type Mutant } from '../test/simulation/mutants.js';

/**
 * Proves that the simulation can fail: breaks each guard on purpose, in a copy of the sources, and waits for the
 * simulation to notice. Exits with 1 when it does not.
 */
const { values } = parseArgs({
  options: {
    /** How many schedules each mutant gets. */
    seeds: { type: 'string', default: '10000' },
    /** Only mutants whose name contains this. */
    only: { type: 'string', default: '' },
  },
});

const main = async (): Promise<void> => {
  const copy = await mkdtemp(join(tmpdir(), 'coldspare-mutants-'));
  try {
    await copySources(copy);
    const unbroken = await simulate(copy, 'nothing broken');
    if (unbroken !== undefined)
      throw new Error(`the simulation fails without mutants: ${unbroken}`);
    const rows = [];
    for (const mutant of MUTANTS.filter(({ name }) => name.includes(values.only))) {
      const caughtBy = await tryMutant(copy, mutant);
      rows.push({ rule: mutant.rule, mutation: mutant.name, caughtBy });
      console.log(`rule ${mutant.rule} | ${mutant.name} | ${caughtBy ?? 'NOT CAUGHT'}`);
    }
    const caught = rows.filter(({ caughtBy }) => caughtBy !== undefined).length;
    const rules = new Set(rows.map(({ rule }) => rule)).size;
    console.log(`${caught} of ${rows.length} mutants caught, of ${rules} rules`);
    if (caught < rows.length) process.exitCode = 1;
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
};

const COPIED = ['src', 'scripts', 'test/simulation', 'package.json', 'tsconfig.json'];

const copySources = async (copy: string): Promise<void> => {
  for (const path of COPIED) await cp(path, join(copy, path), { recursive: true });
  await symlink(resolve('node_modules'), join(copy, 'node_modules'));
};

/** How the simulation noticed; undefined when it did not. */
const tryMutant = async (copy: string, { name, edits }: Mutant): Promise<string | undefined> => {
  const originals = new Map<string, string>();
  try {
    for (const { file, search, replace } of edits) {
      const path = join(copy, file);
      const text = await readFile(path, 'utf8');
      if (!originals.has(path)) originals.set(path, text);
      if (text.split(search).length !== 2)
        throw new Error(`"${name}" does not fit ${file} any more: it must hold once\n${search}`);
      await writeFile(
        path,
        text.replace(search, () => replace),
      );
    }
    return await simulate(copy, name);
  } finally {
    for (const [path, text] of originals) await writeFile(path, text);
  }
};

/** The first violation that the simulation of the copy finds; undefined when it finds none. */
const simulate = async (copy: string, name: string): Promise<string | undefined> => {
  // A mutant need not pass all of the compiler's checks, such as unused imports: what counts is its output.
  await run(copy, ['node_modules/.bin/tsc', '-p', 'tsconfig.json']);
  const { status, output } = await run(copy, [
    process.execPath,
    'dist/scripts/simulate.js',
    '--until-violation',
    `--seeds=${values.seeds}`,
  ]);
  if (status === 0) return undefined;
  const violation = /^ {2}(seed .*)$/m.exec(output)?.[1];
  if (violation === undefined) throw new Error(`the simulation of "${name}" broke:\n${output}`);
  return violation.slice(0, 140);
};

const run = async (
  cwd: string,
  [program = '', ...args]: string[],
): Promise<{ status: number | null; output: string }> => {
  const child = spawn(program, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.on('data', (data) => {
    output += data;
  });
  child.stderr.on('data', (data) => {
    output += data;
  });
  const [status] = await once(child, 'close');
  return { status, output };
};

await main();
