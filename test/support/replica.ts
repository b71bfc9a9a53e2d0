import { PROGRAMS, runAsPostgres } from './postgres-tools.js';

/** Takes a base backup of what `host` leads to: an address, or the folder of a Unix socket. */
export const baseBackup = async (host: string, port: number, data: string): Promise<void> => {
  await runAsPostgres(
    `${PROGRAMS}/pg_basebackup -h ${host} -p ${port} -U postgres -D ${data} -X stream -c fast -R`,
  );
};
