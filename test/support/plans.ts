import type { Plan, StepContext, StepOptions } from '../../src/engine/operation.js';

/** One step of an invented operation. When `run` resolves to text, that is the step's detail. */
export interface TestStep extends StepOptions {
  name: string;
  run(context: StepContext): Promise<unknown>;
}

/** An operation that runs the steps one after the other. */
export const planOf = (steps: TestStep[], more: Partial<Plan> = {}): Plan => ({
  kind: 'promote',
  reason: 'the test wants it',
  command: { type: 'test' },
  steps: steps.map(({ name }) => name),
  run: async (operation) => {
    for (const { name, run, ...options } of steps) await operation.step(name, run, options);
  },
  isCommitted: () => false,
  ...more,
});
