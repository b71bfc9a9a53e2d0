import type { Plan, StepContext, StepOptions } from '../../src/engine/operation.js';

/** One step of an operation that a test makes up. What `run` resolves to, if it is text, is the step's last word. */
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
