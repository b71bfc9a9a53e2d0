import { z } from 'zod';
import { bytesIn, LONGEST_NAME } from '../../domain/database-names.js';
import { duration, path, text, wholeNumber } from '../values.js';
import type { Group } from '../variable.js';

export const database = {
  title: 'The database',
  about: `With STACK=compose the programs of PostgreSQL run in the database's container.
    Leave DB_HOST, DB_PORT and PG_BIN as they are then, whatever port is published.`,
  variables: {
    DB_NAME: {
      schema: z
        .string()
        .min(1)
        .refine(
          (name) => bytesIn(name) <= LONGEST_NAME,
          `must be at most ${LONGEST_NAME} bytes, PostgreSQL's limit; a letter outside of ASCII has two to four`,
        ),
      about: "The app's database.",
      example: 'shop',
    },
    DB_HOST: {
      schema: text.prefault('127.0.0.1'),
      about: 'The host of PostgreSQL.',
    },
    DB_PORT: {
      schema: wholeNumber(1, 65_535).prefault('5432'),
      about: 'The port of PostgreSQL.',
    },
    DB_USER: {
      schema: text.prefault('postgres'),
      about:
        'The user who restores and renames databases and makes roles. In practice it is a superuser.',
    },
    DB_PASSWORD: {
      schema: z.string().optional(),
      about: 'The password of DB_USER. It never appears on a command line.',
      example: '',
      secret: true,
    },
    DB_START_TIMEOUT: {
      schema: duration('1s').prefault('1m'),
      about: `How long PostgreSQL may take to start and answer.
        If a start takes longer, the operation that needs it fails. PostgreSQL goes on starting meanwhile,
        so the next operation may find it ready. The agent stops such a start only after ten times this length.
        While PostgreSQL says that it recovers from a crash, the agent waits for up to TRANSFER_TIMEOUT.`,
    },
    TRANSFER_TIMEOUT: {
      schema: duration('1s').prefault('4h'),
      about: `How long a dump or a restore may take. The agent gives up one that takes longer.
        Set it to several times what yours take. ./scripts/coldspare drill measures that.`,
    },
    PG_BIN: {
      schema: path.optional(),
      about: 'The directory of psql, pg_dump and pg_restore.',
      unset: 'they are found in PATH',
      example: '/usr/lib/postgresql/15/bin',
    },
  },
} satisfies Group;
