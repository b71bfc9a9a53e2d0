import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { freePorts } from '../../scripts/lib/free-port.js';
import { type ComposeStackOptions, createComposeStack } from '../../src/drivers/compose/stack.js';
import { createFileDisk } from '../../src/drivers/file-disk.js';
import type { StackHarness } from '../contract/stack-contract.js';
import { ComposeProject } from './compose-project.js';
import type { DockerEngine } from './docker-engine.js';
import { fetchProbe } from './fetch-probe.js';

const PASSWORD = 'brew-42';
const NAME = 'coffee_dev';
const never = new AbortController().signal;

export interface ComposeHarness extends StackHarness {
  project: ComposeProject;
  /** The options of the stack, to make another one. */
  options: ComposeStackOptions;
}

/** The reference application, with its database published so that tests can be its clients. */
export const makeComposeHarness = async (engine: DockerEngine): Promise<ComposeHarness> => {
  const directory = await mkdtemp(join(tmpdir(), 'compose-'));
  const [appPort = 0, databasePort = 0] = await freePorts(2);
  const project = await ComposeProject.create(
    'coffee',
    join(directory, 'shop'),
    engine,
    { COFFEE: 'shop', APP_PORT: appPort, DB_PASSWORD: PASSWORD, DB_PORT: databasePort },
    {
      'docker-compose.override.yml': `services:
  db:
    command: postgres -c fsync=off
    ports: ["127.0.0.1:\${DB_PORT}:5432"]
`,
    },
  );
  await project.compose('build', '--quiet', 'app');
  const options: ComposeStackOptions = {
    command: 'docker compose',
    directory: project.directory,
    services: { database: 'db', app: ['app'] },
    database: { host: '127.0.0.1', port: 5432, user: 'postgres', name: NAME, password: PASSWORD },
    appHealthUrl: `http://127.0.0.1:${appPort}/coffees`,
    probe: fetchProbe,
    disk: createFileDisk(),
    overrideFile: join(directory, 'state', 'compose.override.yml'),
    timeouts: { start: 60_000, stop: 60_000 },
  };
  const stack = createComposeStack(options);

  const clients: Client[] = [];
  const endClients = async () => {
    for (const client of clients.splice(0)) await client.end().catch(() => {});
  };
  const connect = async (database = NAME) => {
    const client = new Client({
      ...{ host: '127.0.0.1', port: databasePort, database },
      ...{ user: 'postgres', password: PASSWORD },
    });
    // Many tests have the stack end this session on purpose.
    client.on('error', () => {});
    await client.connect();
    clients.push(client);
    return client;
  };
  return {
    stack,
    name: NAME,
    project,
    options,
    connect,
    reset: async () => {
      await endClients();
      await stack.database.start(never);
      for (const other of await stack.database.others()) await stack.database.drop(other);
      const client = await connect('postgres');
      await client.query(`DROP DATABASE IF EXISTS ${NAME} WITH (FORCE)`);
      await client.query(`CREATE DATABASE ${NAME}`);
      await client.end();
    },
    cleanup: async () => {
      await endClients();
      await project.compose('down', '--volumes', '--timeout', '2');
      await rm(directory, { recursive: true, force: true });
    },
  };
};
