import { z } from 'zod';
import type { OperationRecord } from '../domain/operation.js';
import type { NodeStatus } from '../domain/status.js';
import { modeSchema } from '../domain/transitions.js';

/**
 * What is read out of the peer's answers, no more: it may run another version, so what is new there is kept and
 * what nobody acts on is not checked. An agent that could not be understood would count as one that does not answer.
 */
const recordSchema = z.looseObject({
  id: z.string(),
  kind: z.string(),
  /** An unknown state is not known to be an end. */
  state: z.enum(['running', 'done', 'failed', 'rolled-back', 'refused']).catch('running'),
  committed: z.boolean(),
  reason: z.string(),
  startedAt: z.string(),
  steps: z.array(z.looseObject({ name: z.string() })),
  result: z.record(z.string(), z.unknown()).nullable(),
  error: z.looseObject({ code: z.string(), message: z.string(), remedy: z.string() }).nullable(),
});

export const operationAnswer = recordSchema.transform(
  (record) => record as unknown as OperationRecord,
);

export const statusAnswer = z
  .looseObject({
    node: z.string(),
    role: z.enum(['primary', 'standby']),
    mode: z.string(),
    epoch: z.int().nonnegative(),
    lineage: z.string().nullable(),
    serving: z.boolean(),
    alone: z.string().nullable().catch(null),
    policy: z.looseObject({ alone: z.string() }).catch({ alone: 'serve' }),
    problems: z.array(z.string()).catch([]),
    latestBackup: z
      .looseObject({ id: z.string(), epoch: z.int(), sequence: z.int(), takenAt: z.string() })
      .nullable()
      .catch(null),
    promotion: z.looseObject({ operation: z.string(), backup: z.string().nullable() }).nullable(),
    /** Anything that runs keeps a takeover waiting, whatever else there is to know of it. */
    operation: z
      .looseObject({
        id: z.string(),
        kind: z.string(),
        steps: z.array(z.looseObject({ name: z.string() })).catch([]),
      })
      .nullable(),
  })
  .transform((status) => {
    // A mode of a newer version: its role says the part of it that matters here.
    const mode = modeSchema.safeParse(status.mode).data ?? status.role;
    return { ...status, mode } as unknown as NodeStatus;
  });

/** Whatever else it calls itself: an agent that accepts a fence does not serve until it is told more. */
export const fenceAnswer = z.looseObject({
  mode: modeSchema.catch('yielding'),
  detail: z.string().catch('it stopped serving'),
});

export const receivedAnswer = z.object({ bytes: z.int().nonnegative() });

export const uploadAnswer = z.object({ bytes: z.int(), sha256: z.string() });

export const commitAnswer = z.object({ id: z.string() });

export const problemAnswer = z.looseObject({
  code: z.string(),
  detail: z.string(),
  remedy: z.string().default('read the log of the other agent'),
});
