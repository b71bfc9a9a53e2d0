import { REPLICATION_ROLE } from '../../src/drivers/postgres/cluster/replication-role.js';
import { PROGRAMS, runAsPostgres } from './postgres-tools.js';

/** Takes a base backup of what `host` leads to: an address, or the folder of a Unix socket. */
export const baseBackup = async (host: string, port: number, data: string): Promise<void> => {
  await runAsPostgres(
    `${PROGRAMS}/pg_basebackup -h ${host} -p ${port} -U ${REPLICATION_ROLE} -D ${data} -X stream -c fast -R`,
  );
};
