import { Counter, Histogram, type Registry } from 'prom-client';
import { operationRecordSchema, type StepRecord } from '../../domain/operation.js';
import type { Runner } from '../../engine/runner.js';

const KINDS = operationRecordSchema.shape.kind.options;
const OUTCOMES = operationRecordSchema.shape.state.options.filter((state) => state !== 'running');

/** Seconds. From a write to the state file to a restore that takes hours. */
const BUCKETS = [0.1, 0.5, 1, 5, 15, 60, 300, 1_800, 7_200];

/** Counts every operation that ends from now on, and how long its steps took. */
export const countOperations = (runner: Runner, registry: Registry): void => {
  const registers = [registry];
  const operations = new Counter({
    name: 'coldspare_operations_total',
    help: 'Operations that have ended, by kind and by how they ended.',
    labelNames: ['kind', 'outcome'],
    registers,
  });
  const steps = new Histogram({
    name: 'coldspare_operation_step_duration_seconds',
    help: 'How long each step of the operations that have ended took, however the step ended.',
    labelNames: ['kind', 'step'],
    buckets: BUCKETS,
    registers,
  });
  // Each series starts at 0. Prometheus sees no increase in one that starts at 1, and would miss the first failure.
  for (const kind of KINDS) for (const outcome of OUTCOMES) operations.inc({ kind, outcome }, 0);
  runner.onEnd(({ kind, state, steps: taken }) => {
    operations.inc({ kind, outcome: state });
    for (const step of taken) {
      const seconds = secondsOf(step);
      if (seconds !== undefined) steps.observe({ kind, step: step.name }, seconds);
    }
  });
};

/** Undefined for what has not ended, such as a step that was cut by a crash. */
export const secondsOf = ({
  startedAt,
  endedAt,
}: Pick<StepRecord, 'startedAt' | 'endedAt'>): number | undefined =>
  // Not negative when the machine's clock was set back.
  endedAt === null ? undefined : Math.max(0, Date.parse(endedAt) - Date.parse(startedAt)) / 1_000;
