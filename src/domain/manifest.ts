import { z } from 'zod';
import { backupIdSchema } from './backup-id.js';
import { logPlaceSchema } from './replication.js';

const count = z.int().nonnegative();

/** What a database holds, counted in one snapshot: the yardstick that a restore is measured with. */
const inventorySchema = z.object({
  /** `schema.table` → rows, for every ordinary table of the user. */
  rows: z.record(z.string(), count),
  /**
   * `schema.sequence` → last value, and whether it was handed out already. Values are text: bigint does not fit a
   * number. Of a dump, only the sequences that stood still meanwhile.
   */
  sequences: z.record(z.string(), z.object({ last: z.string(), called: z.boolean() })).default({}),
  largeObjects: count.default(0),
  /** Partition → the table that it is a part of. */
  partitionOf: z.record(z.string(), z.string()).optional(),
  /** `schema.table.constraint` → its kind, and whether it is yet to be validated. */
  constraints: z.record(z.string(), z.string()).optional(),
  /** Name → version. */
  extensions: z.record(z.string(), z.string()).optional(),
  /** `schema`, `schema.relation` and `schema.routine()` → who owns it. */
  owners: z.record(z.string(), z.string()).optional(),
  /** Indexes, triggers, policies, rules and filled materialized views → kind. */
  secondary: z.record(z.string(), z.string()).optional(),
});
export type Inventory = z.infer<typeof inventorySchema>;

/** What a count of rows does not show. Compared in a drill, between servers of one major version. */
const valuesSchema = z.object({
  /** The major version. */
  server: z.string(),
  /** `schema.table` → digest of those columns that a restore may read differently or computes anew. */
  digests: z.record(z.string(), z.string()),
  /** An object with expressions → the functions and operators that they use. */
  meanings: z.record(z.string(), z.string()),
  /** `schema.table` → rows that are in no dump, because the table belongs to an extension. */
  uncarried: z.record(z.string(), count).default({}),
});
export type Values = z.infer<typeof valuesSchema>;

const positionSchema = z.object({
  /** Which database of which cluster: a copy or a restored one has another. */
  database: z.string(),
  /** How far its write-ahead log had reached the disk, in bytes. */
  log: logPlaceSchema,
});
/** Where a database stands in its own history. It never goes back, unless somebody puts an old copy of it in its place. */
export type Position = z.infer<typeof positionSchema>;

const roleSchema = z.object({
  name: z.string().min(1),
  login: z.boolean(),
  superuser: z.boolean(),
  createDb: z.boolean(),
  createRole: z.boolean(),
  bypassRls: z.boolean().optional(),
  inherit: z.boolean().optional(),
  replication: z.boolean().optional(),
  /** -1 for none. */
  connectionLimit: z.int().optional(),
  /** The moment from which its password does not count any more. */
  validUntil: z.string().optional(),
  /** `ALTER ROLE … SET name = value`, for every database. */
  settings: z.record(z.string(), z.string()).optional(),
  memberOf: z.array(z.string()),
  /** SCRAM or md5 verifier as PostgreSQL stores it. A secret: never leaves through `GET /backups/{id}`. */
  verifier: z.string().optional(),
});
export type DatabaseRole = z.infer<typeof roleSchema>;

/** What belongs to a database but is not inside a dump of it. */
const globalsSchema = z.object({
  encoding: z.string(),
  collate: z.string(),
  ctype: z.string(),
  owner: z.string(),
  /** `ALTER DATABASE … SET name = value`. */
  settings: z.record(z.string(), z.string()),
  roles: z.array(roleSchema),
  /** Settings of the dump's session that decide what a text in the dump means. Absent in manifests of older agents. */
  textSettings: z.record(z.string(), z.string()).optional(),
});
export type DatabaseGlobals = z.infer<typeof globalsSchema>;

/** A committed backup. Its presence on disk beside the dump is what makes the backup exist. */
export const manifestSchema = z
  .object({
    id: backupIdSchema,
    database: z.string().min(1),
    node: z.string().min(1),
    takenAt: z.iso
      .datetime()
      .describe(
        "The moment of the dump's snapshot on the primary's clock. For people; order comes from epoch and sequence",
      ),
    epoch: z.int().positive(),
    sequence: count,
    lineage: z.string().min(1),
    format: z.enum(['custom', 'plain']),
    bytes: z.int().positive(),
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
    serverVersion: z.string(),
    /** What the database took on disk; absent for an adopted dump, and from agents that did not ask. */
    databaseBytes: z.int().nonnegative().optional(),
    fingerprint: z
      .string()
      .max(200)
      .optional()
      .describe(
        'While the database has the same one, the backup holds everything that is in there',
      ),
    position: positionSchema.optional().describe('Where the database stood when it was dumped'),
    inventory: inventorySchema
      .optional()
      .describe('Absent for an adopted dump of the old scripts: nobody counted when it was taken'),
    values: valuesSchema.optional(),
    surroundings: globalsSchema.optional(),
  })
  .meta({ id: 'Manifest' });
export type Manifest = z.infer<typeof manifestSchema>;

type Dated = Pick<Manifest, 'epoch' | 'sequence' | 'takenAt'>;

/** Newest first: by epoch, then sequence; never by name or file time (H13). Adopted dumps share a sequence, so their own date decides. */
export const newestFirst = (a: Dated, b: Dated): number =>
  b.epoch - a.epoch || b.sequence - a.sequence || b.takenAt.localeCompare(a.takenAt);

/**
 * How a restored database differs from what was counted in the dump's snapshot; empty when it is the same. What an agent
 * of before did not count is not compared.
 */
export const inventoryDifferences = (expected: Inventory, actual: Inventory): string[] => [
  ...differences(expected.rows, actual.rows, (rows) =>
    rows === undefined ? 'no table' : `${rows} rows`,
  ),
  ...differences(expected.sequences, sameNames(expected.sequences, actual.sequences), (sequence) =>
    sequence === undefined ? 'no sequence' : `${sequence.last}${sequence.called ? ' (used)' : ''}`,
  ),
  ...(expected.largeObjects === actual.largeObjects
    ? []
    : [`large objects: expected ${expected.largeObjects}, found ${actual.largeObjects}`]),
  ...described('constraint', expected.constraints, actual.constraints),
  // Each server has the version that is installed there; a dump does not ask for one.
  ...described('extension', namesOf(expected.extensions), namesOf(actual.extensions)),
  ...described('owner of', expected.owners, actual.owners),
];

/** What a restored database shows differently; undefined when that cannot be compared. */
export const valueDifferences = (
  expected: Values | undefined,
  actual: Values | undefined,
): string[] | undefined =>
  expected === undefined || expected.server !== actual?.server
    ? undefined
    : [
        ...differences(expected.digests, actual.digests, (digest = 'none') => digest).map(
          (each) => `values of ${each.replace(/:.*/, '')} are other ones`,
        ),
        ...described('what is used by', expected.meanings, actual.meanings),
      ];

/** What was dumped and is not there, of what an app can work without: constraints and all that is `secondary`. */
export const missingObjects = (expected: Inventory, actual: Inventory): string[] => [
  ...missing(expected.constraints, actual.constraints).map((name) => `constraint ${name}`),
  ...missing(expected.secondary, actual.secondary),
];

const missing = (expected: Facts = {}, actual: Facts = {}): string[] =>
  Object.keys(expected).filter((name) => !(name in actual));

type Facts = Readonly<Record<string, string>>;

const described = (what: string, expected: Facts | undefined, actual: Facts | undefined) =>
  expected === undefined || actual === undefined
    ? []
    : differences(expected, actual, (fact = 'none') => fact).map((each) => `${what} ${each}`);

const namesOf = (versions: Facts | undefined): Facts | undefined =>
  versions && Object.fromEntries(Object.keys(versions).map((name) => [name, 'installed']));

/** Of a sequence that moved during the dump nobody knows what the dump holds, so the manifest is silent about it. */
const sameNames = <T>(expected: Record<string, T>, actual: Record<string, T>): Record<string, T> =>
  Object.fromEntries(Object.entries(actual).filter(([name]) => name in expected));

const differences = <T>(
  expected: Record<string, T>,
  actual: Record<string, T>,
  show: (value: T | undefined) => string,
): string[] => {
  const names = [...new Set([...Object.keys(expected), ...Object.keys(actual)])].sort();
  return names
    .filter((name) => show(expected[name]) !== show(actual[name]))
    .map((name) => `${name}: expected ${show(expected[name])}, found ${show(actual[name])}`);
};
