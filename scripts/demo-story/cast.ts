import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from '../lib/free-port.js';
import type { Cleanup } from './cleanup.js';
import { Customers } from './customers.js';
import { type LoadBalancer, openLoadBalancer, type ServerAddress } from './load-balancer.js';
import { Machine } from './machine.js';
import { Onlooker } from './onlooker.js';

/** The servers, the load balancer and the customers of the story. */
export interface Cast {
  vcl1: LoadBalancer;
  vcl2: Machine;
  vcl3: Machine;
  customers: Customers;
  onlooker: Onlooker;
}

/** Quick checks, so that the demo is short. In production the defaults of .env.example are better. */
const SETTINGS = {
  HOST: '127.0.0.1',
  STACK: 'embedded',
  DB_NAME: 'coffee_dev',
  BACKUP_PREFIX: 'coffee_db',
  // No scheduled backup during the story: the story asks for its backups itself.
  BACKUP_CRON: '0 0 1 1 *',
  CHECK_INTERVAL: '500ms',
  CHECK_TIMEOUT: '5s',
  FAIL_THRESHOLD: '3',
  CONFIRM_CHECKS: '3',
  CONFIRM_INTERVAL: '300ms',
  // The app that crashes is not started again where it is: the story is about the takeover.
  APP_RESTART_AFTER: '10m',
  FAILBACK: 'auto',
  FAILBACK_STABLE: '2s',
};

/** Sets everything up and starts VCL1; the servers do not run yet. `cleanup` removes all of it. */
export const gatherCast = async (cleanup: Cleanup): Promise<Cast> => {
  const directory = await mkdtemp(join(tmpdir(), 'coldspare-demo-'));
  cleanup.add(() => rm(directory, { recursive: true, force: true }));

  const [agent2 = 0, app2 = 0, db2 = 0, agent3 = 0, app3 = 0, db3 = 0] = await freePorts(6);
  const address2 = { name: 'VCL2', agentUrl: at(agent2), appUrl: at(app2) };
  const address3 = { name: 'VCL3', agentUrl: at(agent3), appUrl: at(app3) };
  const servers = [address2, address3];
  const vcl1 = await openLoadBalancer(servers);
  cleanup.add(() => vcl1.close());

  const shared = {
    ...SETTINGS,
    WITNESS_URL: `${vcl1.url}/coffees`,
    PEER_TOKEN: newToken(),
    ADMIN_TOKEN: newToken(),
    WEBHOOK_TOKEN: newToken(),
  };
  const directory2 = join(directory, 'vcl2');
  const directory3 = join(directory, 'vcl3');
  await Promise.all([mkdir(directory2), mkdir(directory3)]);
  const vcl2 = new Machine(address2, directory2, {
    ...shared,
    ...environmentOf(address2, address3, db2),
    INITIAL_ROLE: 'primary',
  });
  const vcl3 = new Machine(address3, directory3, {
    ...shared,
    ...environmentOf(address3, address2, db3),
    INITIAL_ROLE: 'standby',
  });
  cleanup.add(() => Promise.all([vcl2.remove(), vcl3.remove()]));

  const customers = new Customers(vcl1.url);
  cleanup.add(() => customers.stop());
  const onlooker = new Onlooker(servers);
  cleanup.add(() => onlooker.stop());
  return { vcl1, vcl2, vcl3, customers, onlooker };
};

const environmentOf = (own: ServerAddress, peer: ServerAddress, databasePort: number) => ({
  NODE_NAME: own.name.toLowerCase(),
  PORT: new URL(own.agentUrl).port,
  DB_PORT: String(databasePort),
  APP_HEALTH_URL: `${own.appUrl}/coffees`,
  PEER_URL: peer.agentUrl,
  PRIMARY_CHECK_URL: `${peer.appUrl}/coffees`,
});

const at = (port: number): string => `http://127.0.0.1:${port}`;

const newToken = (): string => randomBytes(24).toString('hex');
