import { formatCount } from './format.js';
import type { Broken, Identity } from './replication.js';

/** A replica needs at least as much of each as its primary, or its recovery stops. */
export const REPLICA_PARAMETERS = [
  'max_connections',
  'max_worker_processes',
  'max_wal_senders',
  'max_prepared_transactions',
  'max_locks_per_transaction',
] as const;

/** The check that fails when the standby has less of one of them. */
export const checkOf = (parameter: string): string => parameter.replaceAll('_', '-');

/** What the standby's own cluster lacks, besides what `Identity` says. */
export interface OwnCluster {
  identity: Identity;
  /** Extensions of the primary that cannot be used here, with the version. */
  lacks: readonly string[];
  /** Databases that are neither ours nor PostgreSQL's: a replica has none of its own. */
  others: readonly string[];
}

const MEANWHILE = 'meanwhile the standby is kept by dumps. It is tried again by itself';

/**
 * Why this cluster cannot be a replica of the primary's, most important first; empty when it can. Differences of the C
 * library or ICU would corrupt indexes without a word.
 */
export const driftOf = (primary: Identity, { identity, lacks, others }: OwnCluster): Broken[] => {
  const found: Broken[] = [];
  const add = (check: string, message: string, remedy: string) =>
    found.push({ check, message, remedy: `${remedy}; ${MEANWHILE}` });
  const differ = (check: string, what: string, ours: string, theirs: string, remedy: string) => {
    if (ours !== theirs) add(check, `${what} is ${ours} here and ${theirs} on the primary`, remedy);
  };
  differ(
    'version',
    'PostgreSQL',
    identity.version,
    primary.version,
    'install the same version on both servers, the minor version too, the standby first',
  );
  differ(
    'platform',
    'the platform of the server',
    identity.platform,
    primary.platform,
    'use the same image or packages, and the same kind of processor, on both servers',
  );
  for (const provider of sharedKeys(identity.collations, primary.collations))
    differ(
      'collation',
      `the version of the collations of ${provider}`,
      identity.collations[provider] ?? '',
      primary.collations[provider] ?? '',
      'use the same image, or the same release of the system, on both servers: text is sorted otherwise, and the indexes would be wrong',
    );
  for (const name of REPLICA_PARAMETERS) {
    const [ours = 0, theirs = 0] = [identity.parameters[name], primary.parameters[name]];
    if (ours < theirs)
      add(
        checkOf(name),
        `${name} is ${ours} here and ${theirs} on the primary`,
        `set ${name} = ${theirs} in the configuration of this server's PostgreSQL and restart it`,
      );
  }
  if (lacks.length > 0)
    add(
      'extensions',
      `${formatCount(lacks.length, 'extension')} of the primary cannot be used here: ${lacks.join(', ')}`,
      'install the same packages on both servers',
    );
  const libraries = primary.libraries.filter((name) => !identity.libraries.includes(name));
  if (libraries.length > 0)
    add(
      'libraries',
      `shared_preload_libraries has ${libraries.join(', ')} on the primary only`,
      "set it alike in the configuration of this server's PostgreSQL and restart it",
    );
  if (primary.tablespaces.length > 0)
    add(
      'tablespaces',
      `the primary has tablespaces (${primary.tablespaces.join(', ')}), which are not copied`,
      'move their tables to pg_default (ALTER DATABASE … SET TABLESPACE) and drop them, or set REPLICATION=dump on both nodes',
    );
  if (identity.login !== primary.login)
    add(
      'login',
      'DB_USER, DB_PASSWORD or DB_NAME differ between the nodes, and a replica has the roles of the primary',
      'set them alike on both nodes and restart the agent',
    );
  if (others.length > 0)
    add(
      'other-databases',
      `the PostgreSQL of this server has databases of its own, which a replica cannot have: ${others.join(', ')}`,
      'move them to another PostgreSQL',
    );
  return found;
};

const sharedKeys = (one: Record<string, string>, other: Record<string, string>): string[] =>
  Object.keys(one).filter((key) => key in other);
