import { REPLICA_PARAMETERS } from '../../../domain/drift.js';
import type { Identity } from '../../../domain/replication.js';
import type { PsqlSession } from '../psql-session.js';
import { literal } from '../sql.js';

/** Of the cluster, without the extensions of the live database, which are read in a session with it. */
export const readIdentity = async (
  session: PsqlSession,
): Promise<Omit<Identity, 'extensions' | 'login'>> => {
  const { version, ...found } = await session.row<{
    system: string;
    version: string;
    libraries: string;
    bytes: string;
  }>(
    `SELECT (SELECT system_identifier::text FROM pg_control_system()) AS system,
            version() AS version, current_setting('shared_preload_libraries') AS libraries,
            (SELECT sum(pg_database_size(oid))::text FROM pg_database) AS bytes`,
  );
  const [, number = version, platform = ''] =
    /^PostgreSQL (\S+).*? on ([^,\s]+)/.exec(version) ?? [];
  const collations = await session.select<{ provider: string; version: string }>(
    `SELECT CASE collprovider WHEN 'c' THEN 'libc' WHEN 'i' THEN 'ICU' ELSE collprovider::text END AS provider,
            max(pg_collation_actual_version(oid)) AS version
     FROM pg_collation WHERE pg_collation_actual_version(oid) IS NOT NULL GROUP BY 1`,
  );
  const tablespaces = await session.select<{ name: string }>(
    `SELECT spcname AS name FROM pg_tablespace WHERE spcname NOT IN ('pg_default', 'pg_global') ORDER BY 1`,
  );
  return {
    system: found.system,
    version: number,
    platform,
    bytes: Number(found.bytes),
    libraries: found.libraries
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== ''),
    collations: Object.fromEntries(collations.map((each) => [each.provider, each.version])),
    parameters: await readParameters(session),
    tablespaces: tablespaces.map(({ name }) => name),
  };
};

/** Name → value of REPLICA_PARAMETERS. */
export const readParameters = async (session: PsqlSession): Promise<Record<string, number>> => {
  const found = await session.select<{ name: string; value: number }>(
    `SELECT name, setting::int AS value FROM pg_settings
     WHERE name IN (${REPLICA_PARAMETERS.map(literal).join(', ')})`,
  );
  return Object.fromEntries(found.map(({ name, value }) => [name, value]));
};

export const readExtensions = async (session: PsqlSession): Promise<Record<string, string>> => {
  const found = await session.select<{ name: string; version: string }>(
    'SELECT extname AS name, extversion AS version FROM pg_extension ORDER BY 1',
  );
  return Object.fromEntries(found.map(({ name, version }) => [name, version]));
};

/** Those of `extensions` whose version is not among the files of this server. */
export const readLacking = async (
  session: PsqlSession,
  extensions: Readonly<Record<string, string>>,
): Promise<string[]> => {
  const available = await session.select<{ name: string; version: string }>(
    'SELECT name, version FROM pg_available_extension_versions',
  );
  const known = new Set(available.map(({ name, version }) => `${name} ${version}`));
  return Object.entries(extensions)
    .map(([name, version]) => `${name} ${version}`)
    .filter((each) => !known.has(each));
};
