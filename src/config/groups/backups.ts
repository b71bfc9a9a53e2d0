import { z } from 'zod';
import { cron, duration, path, text, wholeNumber } from '../values.js';
import type { Group } from '../variable.js';

export const backups = {
  title: 'Backups',
  variables: {
    BACKUP_CRON: {
      schema: cron.prefault('*/30 * * * *'),
      about: `When the primary takes a backup and sends it to the standby, as a cron expression in UTC.
        When nothing was written since the last backup, the agent only confirms that one. That costs almost nothing.
        So every minute (* * * * *) is fine for a database that is idle at night.`,
    },
    BACKUP_KEEP: {
      schema: wholeNumber(1, 1000).prefault('5'),
      about: `How many of the newest backups each node keeps, beside those of earlier days and weeks.
        A standby also keeps the backup that it has restored, and the newest one that was proven.
        A backup after which tables or most rows of a table are gone keeps the one before it until somebody has looked.`,
    },
    BACKUP_KEEP_DAILY: {
      schema: wholeNumber(0, 1000).prefault('7'),
      about: `Of how many days each node keeps the last backup.
        Days without a backup do not count. BACKUP_DIR has to have room for 16 dumps with the three defaults.
        With less, the oldest ones beyond BACKUP_KEEP give way, so that there is always room for new backups.`,
    },
    BACKUP_KEEP_WEEKLY: {
      schema: wholeNumber(0, 1000).prefault('4'),
      about: 'Of how many weeks each node keeps the last backup. A week begins on Monday, in UTC.',
    },
    BACKUP_MAX_AGE: {
      schema: duration('1s', '3650d').prefault('2h'),
      about: `The age at which the newest backup is too old.
        /health then reports backup-stale, and an unplanned promote needs {"force": true}.`,
    },
    BACKUP_MAX_BYTES: {
      schema: wholeNumber(1, Number.MAX_SAFE_INTEGER).prefault(String(1024 ** 4)),
      about: 'The largest dump that this node accepts, in bytes.',
    },
    BACKUP_DIR: {
      schema: path.optional(),
      about: 'The directory of the backups.',
      unset: 'the folder backups of STATE_DIR',
      example: '/var/lib/coldspare/backups',
    },
    BACKUP_PREFIX: {
      schema: z
        .string()
        .regex(/^[A-Za-z0-9][\w-]{0,99}$/, 'must be letters, digits, dash or underscore')
        .optional(),
      about: "The first part of a backup's id.",
      unset: 'DB_NAME',
      example: 'shop_db',
    },
    PREPARE: {
      schema: z.enum(['on-receive', 'on-promote']).prefault('on-receive'),
      about: `When a standby restores a backup.
        on-receive: as soon as the backup arrives. on-promote: only when this node takes over.`,
    },
    DRILL_CRON: {
      schema: cron.optional(),
      about: `When a standby restores its newest backup as a test, as a cron expression in UTC. POST /drill does the same.
        Choose a time when no backup comes.`,
      unset: 'only when you ask for it',
      example: '20 4 * * *',
    },
    DRILL_QUERY: {
      schema: text.optional(),
      about: `SQL that has to be true of the data that a drill restores.
        It returns one row with one column.`,
      example: 'SELECT count(*) > 0 FROM orders',
    },
  },
} satisfies Group;
