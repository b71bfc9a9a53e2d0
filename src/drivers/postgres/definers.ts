import { type PsqlSession, type SessionOptions, withSession } from './psql-session.js';
import { NO_EVENT_TRIGGERS } from './quiet-sessions.js';
import type { Server } from './server.js';

const SCHEMA = 'coldspare_restore';
/** The setting that marks a function that is a SECURITY DEFINER only for now. */
const MARK = 'coldspare.was';

/**
 * Creates the objects of a dump, while each function runs with the rights of its owner and cannot take others. PostgreSQL
 * evaluates a function of constants while it creates a table with a generated column or a partition key, and objects are
 * created by a superuser. Afterwards the functions are as they were dumped.
 */
export const withDefiners = async (
  server: Server,
  database: string,
  options: SessionOptions,
  create: (server: Server) => Promise<void>,
): Promise<void> => {
  const settings = (server.settings ?? []).filter((setting) => setting !== NO_EVENT_TRIGGERS);
  await withSession(server, database, options, begin);
  await create({ ...server, settings });
  await withSession(server, database, options, end);
};

/** The owner comes later, with the next statement of the dump. Functions of extensions are left as they are. */
const begin = async (session: PsqlSession): Promise<void> => {
  await session.run(`CREATE SCHEMA ${SCHEMA}`);
  await session.run(
    `CREATE FUNCTION ${SCHEMA}.define() RETURNS event_trigger LANGUAGE plpgsql AS $$
     DECLARE made record;
     BEGIN
       FOR made IN SELECT c.object_identity AS name FROM pg_catalog.pg_event_trigger_ddl_commands() c
           JOIN pg_catalog.pg_proc p ON p.oid = c.objid AND NOT p.prosecdef
         WHERE c.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass LOOP
         EXECUTE pg_catalog.format('ALTER ROUTINE %s SECURITY DEFINER SET ${MARK} = invoker', made.name);
       END LOOP;
     END $$`,
  );
  await session.run(
    `CREATE EVENT TRIGGER ${SCHEMA} ON ddl_command_end
     WHEN TAG IN ('CREATE FUNCTION', 'CREATE PROCEDURE') EXECUTE FUNCTION ${SCHEMA}.define()`,
  );
};

const end = async (session: PsqlSession): Promise<void> => {
  await session.run(`DROP EVENT TRIGGER ${SCHEMA}`);
  await session.run(`DROP SCHEMA ${SCHEMA} CASCADE`);
  await session.run(
    `DO $$ DECLARE made record;
     BEGIN
       FOR made IN SELECT oid::regprocedure AS name FROM pg_proc
         WHERE '${MARK}=invoker' = ANY (proconfig) LOOP
         EXECUTE format('ALTER ROUTINE %s SECURITY INVOKER RESET ${MARK}', made.name);
       END LOOP;
     END $$`,
  );
};
