import { z } from 'zod';
import { backupIdSchema } from './backup-id.js';
import { manifestSchema } from './manifest.js';
import { operationRecordSchema } from './operation.js';
import { proofSchema } from './status.js';
import { modeSchema } from './transitions.js';

/** What a node answers, besides its status, a manifest and an operation. */

export const healthSchema = z
  .object({
    status: z.enum(['ok', 'failing']),
    node: z.string(),
    role: z.enum(['primary', 'standby']),
    serving: z.boolean(),
    problems: z.array(z.string()).describe('Why it does not do its job; empty when it does'),
  })
  .meta({ id: 'Health' });

export const isPrimarySchema = z.object({ primary: z.boolean() }).meta({ id: 'IsPrimary' });
export const isStandbySchema = z.object({ standby: z.boolean() }).meta({ id: 'IsStandby' });

const quarantinedBackupSchema = manifestSchema
  .pick({ id: true, node: true, lineage: true, takenAt: true, bytes: true })
  .extend({ reason: z.string(), at: z.iso.datetime().describe('When it came') })
  .meta({ id: 'QuarantinedBackup' });

export const backupListSchema = z
  .object({
    backups: z
      .array(
        manifestSchema
          .omit({ inventory: true })
          .extend({ proof: proofSchema.nullable() })
          .meta({ id: 'ListedBackup' }),
      )
      .describe('Newest first, without what each holds: GET /backups/{id} says that'),
    quarantined: z
      .array(quarantinedBackupSchema)
      .describe('Dumps that were refused for good: never restored, kept as evidence'),
  })
  .meta({ id: 'BackupList' });

export const receivedSchema = z
  .object({
    id: backupIdSchema,
    bytes: z.int().nonnegative(),
    sha256: z.string().describe('Of what was received, in hex'),
  })
  .meta({ id: 'Received' });

export const tornSchema = z.object({ bytes: z.int().nonnegative() }).meta({ id: 'TornUpload' });

export const committedSchema = z.object({ id: backupIdSchema }).meta({ id: 'Committed' });

export const operationListSchema = z
  .object({ operations: z.array(operationRecordSchema).describe('Newest first') })
  .meta({ id: 'OperationList' });

/** What an operation would do, found out without changing anything. */
export const dryRunSchema = z
  .object({
    wouldRun: z.boolean(),
    refusal: z
      .object({ code: z.string(), message: z.string(), remedy: z.string() })
      .nullable()
      .describe('Why it would be refused'),
    peer: z.string(),
    backup: z.string().nullable().describe('The one that it would start from'),
    backupAgeSeconds: z.int().nullable(),
    prepared: z.boolean().describe('That backup lies restored already, and has only to be opened'),
    loss: z.string().nullable().describe('What would be lost, for a person'),
    steps: z.array(z.string()).describe('Those that would run, in their order'),
  })
  .meta({ id: 'DryRun' });
export type DryRun = z.infer<typeof dryRunSchema>;

export const fenceAnswerSchema = z
  .object({
    mode: modeSchema.describe('From now on'),
    detail: z.string().describe('What was done, for the report'),
    unused: z
      .boolean()
      .exactOptional()
      .describe('Nobody has written here since this node took over; when that was asked'),
  })
  .meta({ id: 'FenceAnswer' });
export type FenceAnswer = z.infer<typeof fenceAnswerSchema>;

/** A checker's message that starts nothing. */
export const ignoredSchema = z
  .object({ ignored: z.literal(true), because: z.string() })
  .meta({ id: 'Ignored' });

/** A checker's "down" whose promote begins as soon as something else has made way. */
const acceptedSchema = z
  .object({ accepted: z.literal(true), because: z.string() })
  .meta({ id: 'Accepted' });
export const promoteBegunSchema = z
  .union([operationRecordSchema, acceptedSchema])
  .meta({ id: 'PromoteBegun' });

export const notifyTestSchema = z
  .object({
    channels: z
      .array(
        z.object({
          channel: z.string().describe('Its kind and host'),
          error: z.string().nullable().describe('Null when the message was taken'),
        }),
      )
      .describe('Empty without NOTIFY_URLS'),
  })
  .meta({ id: 'NotifyTest' });

/** An error (RFC 9457). */
export const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.string().describe('Stable: programs may go by it'),
    detail: z.string(),
    value: z.unknown().optional().describe('At fault'),
    remedy: z.string().describe('What to do or type next'),
    operation: z.string().exactOptional().describe('The operation that ended like this'),
  })
  .meta({ id: 'Problem' });
export type Problem = z.infer<typeof problemSchema>;
