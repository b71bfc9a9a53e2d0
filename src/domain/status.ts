import { z } from 'zod';
import { backupIdSchema } from './backup-id.js';
import { unservedSchema } from './common-cause.js';
import { drillRecordSchema } from './drill.js';
import { markerSchema } from './marker.js';
import { operationRecordSchema } from './operation.js';
import { replicationStatusSchema } from './replication.js';
import { shrunkSchema } from './shrinkage.js';
import { modeSchema } from './transitions.js';

const moment = z.iso.datetime();
const seconds = z.number().describe('Seconds');
const epoch = z.int().nonnegative();

/** What became of restoring a backup ahead of time. */
export const proofSchema = z
  .object({
    at: moment,
    took: z.int().nonnegative().describe('Milliseconds that the restore took'),
    error: z
      .string()
      .nullable()
      .describe('Why it cannot be restored; null when it was found whole'),
  })
  .meta({ id: 'Proof' });

const backupSummarySchema = z
  .object({
    id: backupIdSchema,
    epoch,
    sequence: z.int().nonnegative(),
    takenAt: moment,
    currentAt: moment.describe(
      'When it is known to have held everything: when it was taken, or when nothing had changed since',
    ),
    ageSeconds: seconds.describe('Since currentAt'),
    bytes: z.int().positive(),
    proof: proofSchema.nullable().describe('Null before anybody tried to restore it'),
  })
  .meta({ id: 'BackupSummary' });
export type BackupSummary = z.infer<typeof backupSummarySchema>;

export const promotionSchema = z.object({
  operation: z.string(),
  epoch: z.int().positive(),
  backup: z.string().nullable(),
  at: moment,
});

export const pauseSchema = z.object({ until: moment, reason: z.string() }).meta({ id: 'Pause' });

export const pushSchema = z.object({
  lastSuccessAt: moment.nullable(),
  failingSince: moment.nullable(),
  error: z.string().nullable(),
});

export const yieldingSchema = z.object({
  operation: z.string(),
  epoch: z.int().positive(),
  cause: z.enum(['handover', 'fence']),
});

/** `GET /status`: everything a person or the peer needs to know about a node. No secrets. */
export const nodeStatusSchema = z
  .object({
    node: z.string(),
    role: z.enum(['primary', 'standby']),
    mode: modeSchema,
    epoch,
    lineage: z.string().nullable(),
    serving: z.boolean(),
    since: moment.describe('When it took this mode, on its own clock'),
    stack: z.string(),
    app: z.object({
      answers: z.boolean(),
      detail: z.string(),
      checkedAt: moment.nullable(),
      cannotStart: z
        .string()
        .nullable()
        .exactOptional()
        .describe(
          'What would keep a start of the app from working, such as a missing image; absent before the first look',
        ),
      images: z
        .record(z.string(), z.string())
        .exactOptional()
        .describe('The images that its services were started from last'),
      kept: z
        .array(z.string())
        .exactOptional()
        .describe(
          'What its next start keeps although the files say otherwise now, such as an image',
        ),
    }),
    unopened: z
      .string()
      .nullable()
      .exactOptional()
      .describe('Why a primary has not opened its database since the start of its agent'),
    database: z.object({ answers: z.boolean(), marker: markerSchema.nullable() }),
    latestBackup: backupSummarySchema.nullable(),
    prepared: z
      .string()
      .nullable()
      .describe('The backup that lies restored and cold: a promote has only to open it'),
    lastDrill: drillRecordSchema
      .nullable()
      .describe('What restoring a backup on trial came to last; null before the first drill here'),
    shrunk: z
      .array(shrunkSchema)
      .default([])
      .describe('Backups with much less than the one before, until a person has looked'),
    push: pushSchema,
    peer: z.object({
      url: z.string(),
      reachable: z.boolean(),
      ssh: z
        .object({ works: z.boolean(), error: z.string().nullable(), checkedAt: moment.nullable() })
        .nullable()
        .describe('The way around its agent, as it was tried last; null without PEER_SSH'),
      role: z.string().nullable(),
      epoch: epoch.nullable(),
      checkedAt: moment.nullable(),
      error: z.string().nullable(),
    }),
    promotion: promotionSchema
      .nullable()
      .describe('How it last became primary; null when it never did so from a backup'),
    unserved: unservedSchema
      .nullable()
      .describe('Since an unplanned takeover, until its app has answered well for the first time'),
    yielding: yieldingSchema.nullable().describe('Set while it has promised not to serve'),
    alone: z
      .string()
      .nullable()
      .describe(
        'Why it serves, or waits (ALONE=wait), although the peer could not be asked; null once that has answered',
      ),
    pause: pauseSchema.nullable(),
    failback: z.object({
      policy: z.enum(['auto', 'manual']),
      due: z.boolean(),
      at: moment
        .nullable()
        .default(null)
        .describe(
          'When the role goes back by itself, if nothing changes; null when nobody can tell',
        ),
      because: z.string().nullable().default(null).describe('Why not sooner'),
    }),
    operation: operationRecordSchema.nullable().describe('The one that runs'),
    policy: z.object({
      alone: z.enum(['serve', 'wait']),
      monitor: z.enum(['on', 'off']),
      witness: z.boolean(),
      backupMaxAgeSeconds: seconds,
      rescueTimeoutSeconds: seconds,
    }),
    replication: replicationStatusSchema.exactOptional(),
    uncarried: z
      .array(z.string())
      .optional()
      .describe(
        'What a takeover leaves behind on this server, by name. Absent before the first look, and on a standby',
      ),
    differences: z
      .array(z.string())
      .optional()
      .describe(
        'What is otherwise on this standby than on the primary, and no restore changes, by name',
      ),
    problems: z.array(z.string()).describe('Why it does not do its job; empty when it does'),
    details: z
      .record(z.string(), z.object({ because: z.string().nullable(), remedy: z.string() }))
      .optional()
      .describe('The values behind each problem, and what to type on a terminal'),
  })
  .meta({ id: 'NodeStatus' });
export type NodeStatus = z.infer<typeof nodeStatusSchema>;
