import { z } from 'zod';
import { manifestSchema } from '../domain/manifest.js';
import type { OperationRecord } from '../domain/operation.js';
import type { NodeStatus } from '../domain/status.js';
import { modeSchema } from '../domain/transitions.js';

/**
 * What is read out of the peer's answers, no more: it may run another version, so what is new there is kept and
 * what nobody acts on is not checked.
 */
const recordSchema = z.looseObject({
  id: z.string(),
  kind: z.string(),
  state: z.enum(['running', 'done', 'failed', 'rolled-back', 'refused']),
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
    mode: modeSchema,
    epoch: z.int().nonnegative(),
    lineage: z.string().nullable(),
    serving: z.boolean(),
    promotion: z.looseObject({ operation: z.string(), backup: z.string().nullable() }).nullable(),
    operation: recordSchema.nullable(),
  })
  .transform((status) => status as unknown as NodeStatus);

export const receivedAnswer = z.object({ bytes: z.int().nonnegative() });

export const uploadAnswer = z.object({ bytes: z.int(), sha256: z.string() });

export const commitAnswer = z.object({ id: z.string() });

export const backupsAnswer = z
  .object({ backups: z.array(manifestSchema) })
  .transform(({ backups }) => backups);

export const problemAnswer = z.looseObject({
  code: z.string(),
  detail: z.string(),
  remedy: z.string().default('read the log of the other agent'),
});
