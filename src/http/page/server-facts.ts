import { z } from 'zod';
import { drillRecordSchema } from '../../domain/drill.js';
import { doubtOf } from '../../domain/lost-role.js';
import { pauseSchema, proofSchema, yieldingSchema } from '../../domain/status.js';
import { modeSchema } from '../../domain/transitions.js';

/** Codes and names of steps, which may come from the peer. */
const code = z.string().regex(/^[a-z0-9-]{1,40}$/);
const moment = z.iso.datetime();

/**
 * What the page shows of a server, from its status. The peer may run another version, and its answer was not checked:
 * what does not fit becomes null, which means unknown.
 */
const serverSchema = z.object({
  node: z.string().transform((name) => name.slice(0, 63)),
  mode: modeSchema,
  epoch: z.number(),
  serving: z.boolean(),
  since: moment.nullable().catch(null),
  lineage: z.string().nullable().catch(null),
  app: z.object({ answers: z.boolean(), detail: z.string() }).nullable().catch(null),
  latestBackup: z
    .object({
      id: z.string(),
      ageSeconds: z.number(),
      bytes: z.number(),
      proof: proofSchema.nullable(),
    })
    .nullable()
    .catch(null),
  replication: z
    .object({
      state: code,
      line: code.nullable(),
      behindBytes: z.number().nullable(),
    })
    .optional()
    .catch(undefined),
  lastDrill: drillRecordSchema
    .pick({ at: true, passed: true, error: true, takeOverSeconds: true })
    .nullable()
    .catch(null),
  shrunk: z.array(z.object({ before: z.string() })).catch([]),
  push: z.object({ error: z.string().nullable() }).nullable().catch(null),
  yielding: yieldingSchema
    .pick({ cause: true, operation: true })
    .transform(({ cause, operation }) =>
      doubtOf({ operation }) === undefined ? { cause } : { cause, isInDoubt: true },
    )
    .nullable()
    .catch(null),
  alone: z.string().nullable().catch(null),
  pause: pauseSchema.nullable().catch(null),
  failback: z
    .object({ due: z.boolean(), at: moment.nullable(), because: z.string().nullable() })
    .nullable()
    .catch(null),
  operation: z
    .object({ kind: code, steps: z.array(z.object({ name: code })) })
    .nullable()
    .catch(null),
  policy: z
    .object({ monitor: z.enum(['on', 'off']) })
    .nullable()
    .catch(null),
  uncarried: z.array(z.string()).default([]).catch([]),
  differences: z.array(z.string()).default([]).catch([]),
  problems: z.array(code).catch([]),
});
export type ServerFacts = z.infer<typeof serverSchema>;

/** Undefined when `status` is not a status. */
export const serverFacts = (status: unknown): ServerFacts | undefined =>
  serverSchema.safeParse(status).data;
