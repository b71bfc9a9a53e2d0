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

/** What a forced takeover may lack: an app can work without it. Names with their kinds in front. */
export const SECONDARY = `
  SELECT o.kind || ' ' || n.nspname || '.' || o.name AS name, o.kind AS value
  FROM (
    SELECT 'index' AS kind, c.relnamespace AS namespace, c.relname::text AS name
    FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
    WHERE i.indisvalid AND NOT ${ofExtension('pg_class', 'i.indrelid')}
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid = i.indexrelid)
    UNION ALL
    SELECT 'trigger', c.relnamespace, c.relname || '.' || t.tgname
    FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
    WHERE NOT t.tgisinternal AND t.tgparentid = 0
    UNION ALL
    SELECT 'policy', c.relnamespace, c.relname || '.' || p.polname
    FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
    UNION ALL
    SELECT 'rule', c.relnamespace, c.relname || '.' || r.rulename
    FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class c ON c.oid = r.ev_class WHERE r.rulename <> '_RETURN'
    UNION ALL
    SELECT 'materialized view', c.relnamespace, c.relname
    FROM pg_catalog.pg_class c WHERE c.relkind = 'm' AND c.relispopulated
  ) o JOIN pg_catalog.pg_namespace n ON n.oid = o.namespace
  WHERE ${USERS_SCHEMA}
  ORDER BY 1`;

/**
 * Which functions and operators the expressions of an object use: views, constraints, defaults, generated columns,
 * indexes, policies, triggers. A dump is read with an empty search_path, so \`CASE x WHEN\` and \`IS DISTINCT FROM\` may find
 * another operator in the restore. Their texts may differ between healthy databases; what they use may not.
 */
export const MEANINGS = `
  SELECT o.type || ' ' || o.identity AS name,
         pg_catalog.string_agg(DISTINCT u.identity, ', ' ORDER BY u.identity) AS value
  FROM pg_catalog.pg_depend x
    LEFT JOIN pg_catalog.pg_rewrite r ON x.classid = 'pg_rewrite'::regclass AND r.oid = x.objid
    LEFT JOIN pg_catalog.pg_constraint k ON x.classid = 'pg_constraint'::regclass AND k.oid = x.objid
    LEFT JOIN pg_catalog.pg_attrdef a ON x.classid = 'pg_attrdef'::regclass AND a.oid = x.objid
    LEFT JOIN pg_catalog.pg_policy p ON x.classid = 'pg_policy'::regclass AND p.oid = x.objid
    LEFT JOIN pg_catalog.pg_trigger t ON x.classid = 'pg_trigger'::regclass AND t.oid = x.objid
    LEFT JOIN pg_catalog.pg_class c ON c.oid = coalesce(r.ev_class, k.conrelid, a.adrelid, p.polrelid, t.tgrelid,
      CASE WHEN x.classid = 'pg_class'::regclass THEN x.objid END)
    CROSS JOIN LATERAL pg_catalog.pg_identify_object(x.classid, x.objid, 0) o
    CROSS JOIN LATERAL pg_catalog.pg_identify_object(x.refclassid, x.refobjid, 0) u
  WHERE x.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass) AND x.deptype = 'n'
    AND x.classid IN ('pg_rewrite'::regclass, 'pg_constraint'::regclass, 'pg_attrdef'::regclass, 'pg_class'::regclass,
      'pg_policy'::regclass, 'pg_trigger'::regclass)
    AND coalesce(k.conparentid, t.tgparentid, 0) = 0 AND NOT coalesce(t.tgisinternal, false)
    AND (c.oid IS NULL OR c.relnamespace <> 'information_schema'::regnamespace
      AND NOT ${ofExtension('pg_class', 'c.oid')})
  GROUP BY 1 ORDER BY 1`;

/** Extensions with their versions. plpgsql is in every new database and in no dump. */
export const EXTENSIONS = `
  SELECT extname::text AS name, extversion AS value
  FROM pg_catalog.pg_extension WHERE extname <> 'plpgsql' ORDER BY 1`;

/** Partitions, each with its parent. Not compared with a restore, where the constraints and rows already show it. */
export const PARTITIONS = `
  SELECT n.nspname || '.' || c.relname AS name, pn.nspname || '.' || p.relname AS value
  FROM pg_catalog.pg_inherits i
    JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid AND c.relispartition AND c.relkind IN ('r', 'p')
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_class p ON p.oid = i.inhparent
    JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
  WHERE ${USERS_SCHEMA}
  ORDER BY 1`;

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
