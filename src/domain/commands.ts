import { z } from 'zod';
import { backupIdSchema } from './backup-id.js';
import { logPlaceSchema } from './replication.js';

/** What may be asked of a node, validated once at the edge. */

export const promoteCommandSchema = z.strictObject({
  force: z
    .boolean()
    .default(false)
    .describe(
      'Overrides: primary looks healthy, newest backup too old, paused, no answer to a promise. Never: no backup',
    ),
  planned: z
    .boolean()
    .default(false)
    .describe('Ask the primary for a handover instead of taking over from it'),
  reason: z.string().max(500).default(''),
  dryRun: z.boolean().default(false),
});
export type PromoteCommand = z.infer<typeof promoteCommandSchema>;

export const demoteCommandSchema = z.strictObject({
  reason: z.string().max(500).default(''),
  dryRun: z.boolean().default(false),
});
export type DemoteCommand = z.infer<typeof demoteCommandSchema>;

/** The peer's request that this node takes over as the second half of its handover. */
export const takeOverCommandSchema = z.strictObject({
  operation: z.string().regex(/^[\w-]{8,120}$/),
  epoch: z.int().positive(),
  backup: backupIdSchema.exactOptional().describe('Has every write'),
  position: logPlaceSchema
    .exactOptional()
    .describe("Where the caller's write-ahead log ends: a replica that has it has every write"),
});
export type TakeOverCommand = z.infer<typeof takeOverCommandSchema>;

/** What a primary served that was superseded: its epoch, and the backup that it had become primary from. */
const servedSchema = z.object({
  epoch: z.int().positive(),
  backup: backupIdSchema.nullable(),
});
export type Served = z.infer<typeof servedSchema>;

export const takeBackCommandSchema = servedSchema.extend({
  failbackDue: z.boolean().default(false).describe('It was to give the role back all the same'),
});
export type TakeBackCommand = z.infer<typeof takeBackCommandSchema>;

export const fenceCommandSchema = z.strictObject({
  operation: z.string().regex(/^[\w-]{8,120}$/),
  epoch: z.int().positive(),
  unusedBeside: servedSchema
    .exactOptional()
    .describe(
      'Only if nobody has written here since this node took over from a backup of what the caller served',
    ),
});
export type FenceCommand = z.infer<typeof fenceCommandSchema>;

export const backupCommandSchema = z.strictObject({
  reason: z.string().max(500).default(''),
  rescue: z
    .string()
    .regex(/^[\w-]{8,120}$/)
    .optional()
    .describe("The peer's promote that fenced this node and wants everything that was written"),
});
export type BackupCommand = z.infer<typeof backupCommandSchema>;

export const drillCommandSchema = z.strictObject({
  reason: z.string().max(500).default(''),
});
export type DrillCommand = z.infer<typeof drillCommandSchema>;

/** The primary's word that nothing had changed since a backup. */
export const confirmCommandSchema = z.strictObject({ at: z.iso.datetime() });

export const pauseCommandSchema = z.strictObject({
  minutes: z
    .number()
    .positive()
    .max(7 * 24 * 60)
    .default(60),
  reason: z.string().max(500).default(''),
});

export const adoptCommandSchema = z.strictObject({
  reason: z.string().min(1).max(500).describe('Stays in the journal: somebody will ask'),
  force: z
    .boolean()
    .default(false)
    .describe('Overrides: there are good backups of the lineage that is given up'),
});
export type AdoptCommand = z.infer<typeof adoptCommandSchema>;

export const adoptDumpCommandSchema = z.strictObject({
  path: z.string().startsWith('/').max(4096).describe("A dump on this node's disk"),
});
export type PauseCommand = z.infer<typeof pauseCommandSchema>;
export type AdoptDumpCommand = z.infer<typeof adoptDumpCommandSchema>;
