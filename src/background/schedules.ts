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

/** Milliseconds between two runs of a task. */
const INTERVAL = {
  database: 30_000,
  idleDatabase: 30_000,
  parts: 30_000,
  peerSsh: 300_000,
  ballast: 300_000,
  restartPolicy: 30_000,
  certificate: 5_000,
};

/** Starts all background tasks. The returned function stops them and waits for those that are running. */
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

/** Starts the background tasks that go by the node's own clock: all but the crons. The returned function stops them. */
export const startChecks = (node: Node): (() => Promise<void>) => {
  const stop = new AbortController();
  // Every loop listens to it, and Node warns above ten listeners.
  setMaxListeners(0, stop.signal);
  const { checkInterval } = node.settings;
  const failback = createFailback(node);
  const monitor = createMonitor(node);
  const run = (interval: number, name: string, task: () => Promise<void>) =>
    loopWithPause(node, interval, stop.signal, name, task);
  const loops = [
    // A check of a lost machine takes its whole timeout, which must not delay the next check.
    loopAtInterval(node, checkInterval, stop.signal, 'monitor', async () => {
      await monitor();
      await failback();
    }),
    run(checkInterval, 'guard', createGuard(node)),
    run(checkInterval, 'alarms', createAlarms(node)),
    ...node.replication.tasks.map((task) => run(checkInterval, task.name, task.run)),
    run(checkInterval, 'drill clean-up', createDrillCleanUp(node)),
    run(INTERVAL.peerSsh, 'peer SSH check', createPeerSshWatch(node, stop.signal)),
    run(INTERVAL.database, 'database check', createDatabaseWatch(node)),
    run(INTERVAL.idleDatabase, 'idle database check', createIdleDatabaseWatch(node)),
    run(INTERVAL.parts, 'parts check', createPartsWatch(node)),
    run(INTERVAL.certificate, 'certificate check', createCertificateWatch(node)),
    run(INTERVAL.ballast, 'ballast', () => node.ballast.create()),
    run(INTERVAL.restartPolicy, 'restart policy check', createRestartPolicyWatch(node)),
  ];
  return async () => {
    stop.abort();
    await Promise.all(loops);
  };
};
