import { z } from 'zod';

const moment = z.iso.datetime();

/** A place in a write-ahead log, in bytes from its beginning. */
export const logPlaceSchema = z.string().regex(/^\d{1,20}$/);

/** What has to be alike on two clusters, or at least no less, so that one can be a replica of the other. */
const identitySchema = z
  .object({
    system: z.string().describe('Made by initdb: a replica has the same'),
    version: z.string(),
    platform: z.string().describe('Processor, system and C library that the server was built for'),
    collations: z
      .record(z.string(), z.string())
      .describe('Provider → the version that is installed; absent where nobody can tell'),
    parameters: z.record(z.string(), z.int()),
    extensions: z.record(z.string(), z.string()).describe('Name → version, of the live database'),
    libraries: z.array(z.string()).describe('shared_preload_libraries'),
    tablespaces: z.array(z.string()),
    bytes: z.int().nonnegative().describe('What all databases take on disk'),
    login: z.string().describe('A digest of DB_USER, DB_PASSWORD and DB_NAME: they are replicated'),
  })
  .meta({ id: 'ClusterIdentity' });
export type Identity = z.infer<typeof identitySchema>;

const positionsSchema = z
  .object({
    system: z.string(),
    timeline: z.int().positive(),
    isInRecovery: z.boolean(),
    at: logPlaceSchema.describe('Written, or on a replica replayed, up to here'),
    received: logPlaceSchema.nullable().describe('On a replica: on its disk up to here'),
    isIdle: z
      .boolean()
      .describe('On a replica: it waits for more, so that all that can be replayed was'),
    replayedUntil: moment.nullable().describe('Commit time of the last replayed transaction'),
    receiver: z
      .object({
        streaming: z.boolean(),
        heard: logPlaceSchema.nullable().describe('How far the primary was when it said so last'),
        heardAt: moment.nullable().describe("By the primary's clock"),
      })
      .nullable()
      .describe('Null while nothing is received'),
    slot: z
      .object({
        active: z.boolean(),
        status: z.string().nullable(),
        retainedBytes: z.number().nullable(),
        limitBytes: z.number().nullable().describe('max_slot_wal_keep_size'),
      })
      .nullable()
      .describe('What the primary keeps for its standby; null without a slot'),
    switches: z
      .record(z.string(), logPlaceSchema)
      .describe('Earlier timeline → where this one went on from it'),
  })
  .meta({ id: 'Positions' });
export type Positions = z.infer<typeof positionsSchema>;

const brokenSchema = z.object({
  check: z.string(),
  message: z.string(),
  remedy: z.string(),
});
/** Why the standby cannot be kept by streaming. */
export type Broken = z.infer<typeof brokenSchema>;

/** The port that PostgreSQL's clients have to name for the socket in REPLICATION_SOCKET_DIR: their default. */
export const SOCKET_PORT = 5432;

/** Present in a status only with REPLICATION=stream. */
export const replicationStatusSchema = z
  .object({
    state: z
      .enum(['sending', 'not-sending', 'streaming', 'waiting', 'not-a-replica', 'seeding'])
      .describe(
        'Of a primary: whether it is ready to send. Of a standby: whether its database is a replica, and receives',
      ),
    identity: identitySchema.nullable(),
    positions: positionsSchema.nullable(),
    seenAt: moment.nullable().describe('When the positions were read, on its own clock'),
    behindBytes: z
      .number()
      .nullable()
      .describe('Known to have been written by the primary, and not replayed here'),
    currentAt: moment
      .nullable()
      .describe("Everything up to this moment of the primary's clock is in the replica"),
    broken: brokenSchema.nullable(),
    line: z
      .enum(['replica', 'backup', 'none'])
      .nullable()
      .describe('What a takeover would use now; null on a primary'),
    proven: z.string().describe('What of this is proven, and what is not, for a person'),
  })
  .meta({ id: 'ReplicationStatus' });
export type ReplicationStatus = z.infer<typeof replicationStatusSchema>;

/** Bytes between two places; 0 when the first is not before the second. */
export const bytesBetween = (from: string, to: string): number => {
  const distance = BigInt(to) - BigInt(from);
  return distance > 0n ? Number(distance) : 0;
};

export const isAtOrPast = (at: string, goal: string): boolean => BigInt(at) >= BigInt(goal);

/** Tells of each place whether it is past all before. To hear nothing is no progress. */
export const createProgress = (): ((at: string | null | undefined) => boolean) => {
  let most = -1n;
  return (at) => {
    if (at == null || BigInt(at) <= most) return false;
    most = BigInt(at);
    return true;
  };
};

/** Whether a replica has log that its primary does not have: the primary has gone back in time. */
export const isAhead = (replica: Positions, primary: Positions): boolean => {
  const has = [replica.at, replica.received ?? '0'].map(BigInt);
  const end =
    replica.timeline === primary.timeline ? primary.at : primary.switches[replica.timeline];
  return end === undefined || has.some((place) => place > BigInt(end));
};

/** How far the primary was, and when by its own clock. */
export interface Word {
  at: string;
  saidAt: string;
}

/** What the primary said last over the replication connection. */
export const wordOf = ({ receiver }: Positions): Word | undefined =>
  receiver?.heard == null || receiver.heardAt === null
    ? undefined
    : { at: receiver.heard, saidAt: receiver.heardAt };

/** Undefined as long as nobody knows how far the primary was. */
export const bytesBehind = (
  { at, received }: Positions,
  words: readonly Word[],
): number | undefined => {
  const known = [...words.map((word) => word.at), ...(received === null ? [] : [received])];
  if (words.length === 0) return undefined;
  return Math.max(...known.map((place) => bytesBetween(at, place)));
};

/**
 * Everything that the primary had committed until then, by its own clock, is in the replica: what it has told of itself
 * and was replayed, or else the last transaction. Undefined before anything was replayed.
 */
export const replicaCurrentAt = (
  { at, replayedUntil }: Positions,
  words: readonly Word[],
): string | undefined => {
  const reached = words.filter((word) => isAtOrPast(at, word.at)).map(({ saidAt }) => saidAt);
  return [...reached, ...(replayedUntil === null ? [] : [replayedUntil])].sort().at(-1);
};
