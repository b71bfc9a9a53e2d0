import { setMaxListeners } from 'node:events';
import { type ScheduledTask, schedule } from 'node-cron';
import type { Node } from '../operations/node.js';
import { createAlarms } from './alarms.js';
import { backUpIfPrimary } from './backups.js';
import { createCertificateWatch } from './certificate.js';
import { createDrillCleanUp, drillIfStandby } from './drills.js';
import { createFailback } from './failback.js';
import { createDatabaseWatch, createGuard, createPartsWatch } from './guard.js';
import { createIdleDatabaseWatch } from './idle-database.js';
import { loopAtInterval, loopWithPause } from './loop.js';
import { createMonitor } from './monitor.js';
import { createPeerSshWatch } from './peer-ssh.js';
import { createRestartPolicyWatch } from './restart-policy.js';

const DATABASE_WATCH = 30_000;
const COLD_WATCH = 30_000;
const PARTS_WATCH = 30_000;
const MACHINE_WATCH = 300_000;
const BALLAST_WATCH = 300_000;
const DISARM_WATCH = 30_000;
const CERTIFICATE_WATCH = 5_000;

/** Starts everything that happens by itself. The returned function stops it and waits for what is under way. */
export const startSchedules = (node: Node, config: Crons): (() => Promise<void>) => {
  const stopChecks = startChecks(node);
  const crons = [
    startCron(node, config.BACKUP_CRON, 'backup', backUpIfPrimary),
    ...(config.DRILL_CRON === undefined
      ? []
      : [startCron(node, config.DRILL_CRON, 'drill', drillIfStandby)]),
  ];
  return async () => {
    for (const cron of crons) await cron.destroy();
    await stopChecks();
  };
};

interface Crons {
  BACKUP_CRON: string;
  DRILL_CRON?: string | undefined;
}

const startCron = (
  node: Node,
  expression: string,
  name: string,
  task: (node: Node) => Promise<void>,
): ScheduledTask =>
  schedule(
    expression,
    () =>
      task(node).catch((error: unknown) =>
        node.log.error({ error }, `the ${name} could not be started`),
      ),
    { timezone: 'Etc/UTC' },
  );

/** Starts what goes by the node's own clock: all of it but the cron. The returned function stops it. */
export const startChecks = (node: Node): (() => Promise<void>) => {
  const stop = new AbortController();
  // Every loop listens.
  setMaxListeners(0, stop.signal);
  const { checkInterval } = node.settings;
  const failback = createFailback(node);
  const monitor = createMonitor(node);
  const run = (interval: number, name: string, task: () => Promise<void>) =>
    loopWithPause(node, interval, stop.signal, name, task);
  const loops = [
    // Each check of a lost machine runs into its time-out, which must not delay the next one.
    loopAtInterval(node, checkInterval, stop.signal, 'monitor', async () => {
      await monitor();
      await failback();
    }),
    run(checkInterval, 'guard', createGuard(node)),
    run(checkInterval, 'alarms', createAlarms(node)),
    ...node.replication.tasks.map((task) => run(checkInterval, task.name, task.run)),
    run(checkInterval, 'drill clean-up', createDrillCleanUp(node)),
    run(MACHINE_WATCH, 'machine watch', createPeerSshWatch(node, stop.signal)),
    run(DATABASE_WATCH, 'database watch', createDatabaseWatch(node)),
    run(COLD_WATCH, 'cold watch', createIdleDatabaseWatch(node)),
    run(PARTS_WATCH, 'parts watch', createPartsWatch(node)),
    run(CERTIFICATE_WATCH, 'certificate watch', createCertificateWatch(node)),
    run(BALLAST_WATCH, 'ballast', () => node.ballast.lay()),
    run(DISARM_WATCH, 'disarm watch', createRestartPolicyWatch(node)),
  ];
  return async () => {
    stop.abort();
    await Promise.all(loops);
  };
};
