import type { TestCase, TestModule } from 'vitest/node';

declare module 'vitest' {
  interface TaskMeta {
    /** What a test has found out in numbers, for the end of the run. Counts only when the test passes. */
    figure?: string;
    /** Set when its nodes were in one process with it, on a stack in memory. */
    isInProcess?: true;
  }
}

/** What was shown to hold in this run, in numbers. What did not run, or failed, is not counted. */
export const sayRunFigures = (modules: readonly TestModule[]): string[] => {
  const passed = (folder: string): TestCase[] =>
    modules
      .filter(({ relativeModuleId }) => relativeModuleId.startsWith(folder))
      .flatMap((module) => [...module.children.allTests('passed')]);
  const faults = passed('test/faults/');
  const failures = faults.filter((test) => test.meta().isInProcess).length;
  const cuts = faults.length - failures;
  const incidents = passed('test/incidents/');
  const sequences = new Set(incidents.map(({ module }) => module.relativeModuleId)).size;
  return [
    ...(cuts === 0 ? [] : [`${cuts} crash points and other faults on real nodes`]),
    ...(failures === 0 ? [] : [`${failures} failing steps on two agents in one process`]),
    ...(sequences === 0
      ? []
      : [`${sequences} incidents played on real nodes, by ${incidents.length} tests`]),
    ...passed('').flatMap((test) => test.meta().figure ?? []),
  ];
};
