/**
 * What a restore must bring back apart from rows. Each query returns rows of `name` and `value`: an object and one fact
 * about it. A difference makes a backup unusable, so no query asks what two healthy servers, maybe of different major
 * versions, could answer differently. Objects that belong to an extension are left out.
 */

/** A condition on `pg_namespace n`: not a schema of the system. */
export const USERS_SCHEMA = `n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'`;

/** A condition: the object `oid` of `catalog` belongs to an extension. */
export const ofExtension = (catalog: string, oid: string): string =>
  `EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.${catalog}'::pg_catalog.regclass
           AND d.objid = ${oid} AND d.deptype = 'e')`;

/**
 * Constraints of tables and domains. Inherited ones never count as NOT VALID: a restore gives them the state of their
 * parent's. Left out are NOT NULL, which is a constraint only since 18, and what partitions get from their parent,
 * because PostgreSQL makes up new names for that.
 */
export const CONSTRAINTS = `
  SELECT n.nspname || '.' || coalesce(r.relname, t.typname) || '.' || c.conname AS name,
         CASE c.contype WHEN 'p' THEN 'PRIMARY KEY' WHEN 'u' THEN 'UNIQUE' WHEN 'f' THEN 'FOREIGN KEY'
              WHEN 'c' THEN 'CHECK' WHEN 'x' THEN 'EXCLUDE' ELSE 'TRIGGER' END
         || CASE WHEN c.convalidated OR NOT c.conislocal THEN '' ELSE ' NOT VALID' END AS value
  FROM pg_catalog.pg_constraint c
    LEFT JOIN pg_catalog.pg_class r ON r.oid = c.conrelid
    LEFT JOIN pg_catalog.pg_type t ON t.oid = c.contypid
    JOIN pg_catalog.pg_namespace n ON n.oid = coalesce(r.relnamespace, t.typnamespace)
  WHERE c.contype <> 'n' AND c.conparentid = 0 AND ${USERS_SCHEMA}
    AND NOT ${ofExtension('pg_class', 'c.conrelid')} AND NOT ${ofExtension('pg_type', 'c.contypid')}
  ORDER BY 1`;

/** Extensions with their versions. plpgsql is in every new database and in no dump. */
export const EXTENSIONS = `
  SELECT extname::text AS name, extversion AS value
  FROM pg_catalog.pg_extension WHERE extname <> 'plpgsql' ORDER BY 1`;

/**
 * Owners of schemas, of relations, and of routines (those of one name together). Not of `public`: 15 changed its owner,
 * and a dump holds it only since then.
 */
export const OWNERS = `
  SELECT o.name, pg_catalog.string_agg(DISTINCT pg_catalog.pg_get_userbyid(o.owner)::text, ', ') AS value
  FROM (
    SELECT n.nspname::text AS name, n.nspowner AS owner
    FROM pg_catalog.pg_namespace n
    WHERE n.nspname <> 'public' AND ${USERS_SCHEMA} AND NOT ${ofExtension('pg_namespace', 'n.oid')}
    UNION ALL
    SELECT n.nspname || '.' || c.relname, c.relowner
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND ${USERS_SCHEMA} AND NOT ${ofExtension('pg_class', 'c.oid')}
    UNION ALL
    SELECT n.nspname || '.' || p.proname || '()', p.proowner
    FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    WHERE ${USERS_SCHEMA} AND NOT ${ofExtension('pg_proc', 'p.oid')}
  ) o
  GROUP BY 1 ORDER BY 1`;
