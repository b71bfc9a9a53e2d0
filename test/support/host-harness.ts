import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { createHostStack, type HostStackOptions } from '../../src/drivers/host/stack.js';
import { identifier } from '../../src/drivers/postgres/sql.js';
import type { StackHarness } from '../contract/stack-contract.js';
import { createCommandApp } from './command-app.js';
import { fetchProbe } from './fetch-probe.js';
import { type Cluster, createCluster } from './postgres.js';

const PASSWORD = 'brew-42';

export interface HostHarness extends StackHarness {
  cluster: Cluster;
  /** Removed at the end. */
  directory: string;
  /** The options of the stack, to make another one. */
  options: HostStackOptions;
  connect(database?: string, as?: { user: string; password: string }): Promise<Client>;
}

/** A host stack with a PostgreSQL and an app of its own. */
export const makeHostHarness = async (name = 'shop'): Promise<HostHarness> => {
  const directory = await mkdtemp(join(tmpdir(), 'coldspare-host-'));
  const cluster = await createCluster({ password: PASSWORD });
  const app = await createCommandApp(directory);
  const clients: Client[] = [];
  const { port, user } = cluster;
  const options: HostStackOptions = {
    database: { host: '127.0.0.1', port, user, name, password: PASSWORD },
    databaseCommands: { start: cluster.startCommand, stop: cluster.stopCommand },
    appCommands: { start: app.start, stop: app.stop },
    appHealthUrl: app.healthUrl,
    probe: fetchProbe,
    log: join(directory, 'services.log'),
    timeouts: { start: 30_000, stop: 30_000 },
  };
  const stack = createHostStack(options);

  const endClients = async () => {
    for (const client of clients.splice(0)) await client.end().catch(() => {});
  };
  return {
    stack,
    name,
    cluster,
    directory,
    options,
    reset: async () => {
      await endClients();
      await stack.database.start(new AbortController().signal);
      for (const other of await stack.database.others()) await stack.database.drop(other);
      await cluster.psql(`DROP DATABASE IF EXISTS ${identifier(name)} WITH (FORCE)`);
      await cluster.psql(`CREATE DATABASE ${identifier(name)}`);
    },
    connect: async (database = name, as = { user, password: PASSWORD }) => {
      const client = new Client({ host: '127.0.0.1', port, database, ...as });
      // Many tests have the stack end this session on purpose.
      client.on('error', () => {});
      await client.connect();
      clients.push(client);
      return client;
    },
    cleanup: async () => {
      await endClients();
      await app.remove();
      await cluster.remove();
      await rm(directory, { recursive: true, force: true });
    },
  };
};
