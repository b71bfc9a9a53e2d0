import type { TestCase, TestModule } from 'vitest/node';

declare module 'vitest' {
  interface TaskMeta {
    /** What a test has found out in numbers, for the end of the run. Counts only when the test passes. */
    figure?: string;
  }
}

/** What was shown to hold in this run, in numbers. What did not run, or failed, is not counted. */
export const sayRunFigures = (modules: readonly TestModule[]): string[] => {
  const passed = (folder: string): TestCase[] =>
    modules
      .filter(({ relativeModuleId }) => relativeModuleId.startsWith(folder))
      .flatMap((module) => [...module.children.allTests('passed')]);
  const cuts = passed('test/faults/').length;
  const incidents = passed('test/incidents/');
  const sequences = new Set(incidents.map(({ module }) => module.relativeModuleId)).size;
  return [
    ...(cuts === 0 ? [] : [`${cuts} crash points and other faults on real nodes`]),
    ...(sequences === 0
      ? []
      : [`${sequences} incidents played on real nodes, by ${incidents.length} tests`]),
    ...passed('').flatMap((test) => test.meta().figure ?? []),
  ];
};
