import type { Reporter, TestCase, TestModule, TestSuite, Vitest } from 'vitest/node';
import { formatRunFigures } from './run-figures.js';

/**
 * Ends the output with every skipped test and its reason, every test that passed only at its second try, the run's
 * figures, and `N passed, N failed, N skipped`. With CI=true a skipped test fails the run. A file or suite whose hook
 * failed counts as one more failure, and the tests that could not run because of it count as failed.
 */
export default class ClosingLine implements Reporter {
  #filtersByName = false;
  #passed = 0;
  #failed = 0;
  #skipped: TestCase[] = [];
  #figures: string[] = [];

  onInit(vitest: Vitest): void {
    this.#filtersByName = vitest.config.testNamePattern !== undefined;
    // At the exit: the teardown comes after the last test, and may have something to say.
    process.once('exit', () => this.#printCounts());
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const groups = modules.flatMap((module) => [module, ...module.children.allSuites()]);
    this.#passed = tests.filter((test) => test.result().state === 'passed').length;
    this.#skipped = tests.filter(wasSkipped);
    this.#failed =
      tests.length -
      this.#passed -
      this.#skipped.length +
      groups.filter((group) => group.errors().length > 0).length +
      unhandledErrors.length;
    this.#figures = formatRunFigures(modules);
    reportSlowest(modules);
    this.#reportSkipped();
    this.#reportTriedAgain(tests.filter((test) => test.diagnostic()?.flaky));
  }

  #reportTriedAgain(tests: readonly TestCase[]): void {
    if (tests.length === 0) return;
    console.log('These tests passed only when they were tried again:');
    for (const test of tests) {
      const errors = (test.result().errors ?? []).map(({ message }) => message);
      console.log(`  ${formatTest(test)}\n    ${errors.join('\n    ') || 'without an error'}`);
    }
  }

  #reportSkipped(): void {
    // Who asks for some tests by name knows that the others do not run.
    if (this.#skipped.length === 0 || this.#filtersByName) return;
    console.log('These tests were skipped:');
    for (const test of this.#skipped) console.log(`  ${formatTest(test)}`);
    if (process.env.CI !== 'true') return;
    console.error('CI=true: nothing may be skipped, so this run has failed.');
    process.exitCode = 1;
  }

  #printCounts(): void {
    if (this.#figures.length > 0) console.log('What held in this run:');
    for (const figure of this.#figures) console.log(`  ${figure}`);
    // A failed teardown belongs to no test.
    const failed = this.#failed === 0 && process.exitCode ? 1 : this.#failed;
    console.log(`${this.#passed} passed, ${failed} failed, ${this.#skipped.length} skipped`);
  }
}

const SLOWEST = 20;

const reportSlowest = (modules: readonly TestModule[]): void => {
  const timed = modules.map((module) => {
    const { collectDuration, setupDuration, duration } = module.diagnostic();
    return { file: module.relativeModuleId, ms: collectDuration + setupDuration + duration };
  });
  const slowest = timed.sort((a, b) => b.ms - a.ms).slice(0, SLOWEST);
  const total = timed.reduce((sum, { ms }) => sum + ms, 0);
  console.log(`The slowest files, of ${seconds(total)} in all:`);
  for (const { file, ms } of slowest) console.log(`  ${seconds(ms)}  ${file}`);
};

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1).padStart(6)} s`;

/** A test two levels below a skipped suite is `pending` to the end. */
const wasSkipped = (test: TestCase): boolean => {
  const groups = groupsOf(test);
  if (groups.some((group) => group.errors().length > 0)) return false;
  const { state } = test.result();
  const isBelowSkipped = groups.some(
    (group) => group.type === 'suite' && group.options.mode === 'skip',
  );
  return state === 'skipped' || (state === 'pending' && isBelowSkipped);
};

const groupsOf = ({ parent }: TestCase | TestSuite): (TestSuite | TestModule)[] =>
  parent.type === 'module' ? [parent] : [parent, ...groupsOf(parent)];

const formatTest = (test: TestCase): string => {
  const result = test.result();
  const reason = result.state === 'skipped' ? result.note : undefined;
  return `${test.module.relativeModuleId} > ${test.fullName}${reason ? `: ${reason}` : ''}`;
};
