import type { TestCase, TestModule } from 'vitest/node';

declare module 'vitest' {
  interface TaskMeta {
    /** A figure that the test has measured, printed at the end of the run when the test passes. */
    figure?: string;
    /** Set when its nodes were in one process with it, on a stack in memory. */
    isInProcess?: true;
  }
}

/** What this run has shown, in numbers. Tests that did not run or failed do not count. */
export const formatRunFigures = (modules: readonly TestModule[]): string[] => {
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
