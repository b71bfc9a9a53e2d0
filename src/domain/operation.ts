import { z } from 'zod';

const moment = z.iso.datetime();

const operationKindSchema = z.enum([
  'promote',
  'handover',
  'backup',
  'push',
  'prepare',
  'seed',
  'drill',
  'fence',
  'boot',
  'stand-down',
  'adopt',
]);
export type OperationKind = z.infer<typeof operationKindSchema>;

export type OperationState = OperationRecord['state'];

/** Who asked: it decides what has to be confirmed, and what is reported. */
const sourceSchema = z.enum([
  'operator',
  'webhook',
  'monitor',
  'schedule',
  'failback',
  'peer',
  'agent',
]);
export type Source = z.infer<typeof sourceSchema>;

const stepRecordSchema = z
  .object({
    name: z.string(),
    state: z.enum(['running', 'done', 'failed', 'undone']),
    startedAt: moment,
    endedAt: moment.nullable(),
    detail: z.string().nullable().describe('What it found or did, for a person'),
    progress: z
      .object({ done: z.number(), total: z.number() })
      .exactOptional()
      .describe('Bytes moved so far and in all, while a step moves bytes'),
  })
  .meta({ id: 'Step' });
export type StepRecord = z.infer<typeof stepRecordSchema>;

/** One operation as the journal keeps it and as HTTP shows it. Times are ISO 8601. */
export const operationRecordSchema = z
  .object({
    id: z.string(),
    kind: operationKindSchema,
    state: z.enum(['running', 'done', 'failed', 'rolled-back', 'refused']),
    committed: z
      .boolean()
      .describe('Past the point of no return: from here on it is finished, never rolled back'),
    reason: z.string(),
    source: sourceSchema.describe('Who asked'),
    epoch: z.int().nonnegative().describe("The node's epoch when it started"),
    startedAt: moment,
    endedAt: moment.nullable(),
    steps: z
      .array(stepRecordSchema)
      .describe('In the order they ran; a step that ran again is listed again'),
    result: z.record(z.string(), z.unknown()).nullable(),
    error: z.object({ code: z.string(), message: z.string(), remedy: z.string() }).nullable(),
    command: z
      .record(z.string(), z.unknown())
      .describe('What was asked, enough to run it again after a crash'),
    attempt: z.int().describe('How often it was started; above 1 after a crash of the agent'),
    idempotencyKey: z.string().exactOptional(),
  })
  .meta({ id: 'Operation' });
export type OperationRecord = z.infer<typeof operationRecordSchema>;

/** A preparation, a seed and a drill make way for everything else at once, so nobody has to wait for one. */
export const isInTheWay = (operation: Pick<OperationRecord, 'kind'> | null | undefined): boolean =>
  operation != null && !['prepare', 'seed', 'drill'].includes(operation.kind);

/** Whether the app may be down while an operation of this kind runs. Backups, pushes and drills run while it serves. */
export const affectsApp = (kind: OperationKind): boolean =>
  kind !== 'backup' && kind !== 'push' && kind !== 'drill';

/** Operations that decide who serves go on without a journal: role and epoch are in the state, for which room is kept. */
export const needsJournal = (kind: OperationKind): boolean =>
  kind !== 'boot' && kind !== 'promote' && kind !== 'fence' && kind !== 'stand-down';

export const hasEnded = (record: OperationRecord): boolean => record.state !== 'running';

/** Milliseconds after the end of an operation for which its Idempotency-Key still means it: callers repeat within minutes. */
const KEY_LIFETIME = 24 * 60 * 60_000;

/** Whether its idempotency key no longer answers a repeated call. */
export const isKeyExpired = (now: number, { endedAt }: Pick<OperationRecord, 'endedAt'>): boolean =>
  // The clock may have been set back since.
  endedAt !== null && !(Math.abs(now - Date.parse(endedAt)) <= KEY_LIFETIME);
