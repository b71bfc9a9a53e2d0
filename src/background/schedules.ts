import { setMaxListeners } from 'node:events';
import type { Node } from '../operations/node.js';
import { createAlarms } from './alarms.js';
import { createReadinessWatch } from './app-readiness.js';
import { backUpIfPrimary } from './backups.js';
import { createCertificateWatch } from './certificate.js';
import { runAtSlots } from './cron.js';
import { createDiskWatch } from './disk-space.js';
import { createDrillCleanUp, drillIfStandby } from './drills.js';
import { createFailback } from './failback.js';
import { createDatabaseWatch, createGuard, createPartsWatch } from './guard.js';
import { createHandBack } from './hand-back.js';
import { createIdleDatabaseWatch } from './idle-database.js';
import { loopAtInterval, loopWithPause } from './loop.js';
import { createMonitor } from './monitor.js';
import { createPeerSshWatch } from './peer-ssh.js';
import { createRestartPolicyWatch } from './restart-policy.js';
import { createRoleHookWatch } from './role-hook.js';
import { createUncarriedWatch } from './uncarried.js';
import { createWitnessWatch } from './witness.js';

/** Milliseconds between two runs of a task. */
const INTERVAL = {
  database: 30_000,
  idleDatabase: 30_000,
  parts: 30_000,
  readiness: 60_000,
  peerSsh: 300_000,
  disk: 5_000,
  restartPolicy: 30_000,
  witness: 15_000,
  certificate: 5_000,
  uncarried: 5_000,
};

/** Starts all background tasks. The returned function stops them and waits for those that are running. */
export const startSchedules = (node: Node, config: Crons): (() => Promise<void>) => {
  const stop = new AbortController();
  const { BACKUP_CRON, DRILL_CRON } = config;
  const stopChecks = startChecks(node);
  const crons = [
    runAtSlots(node, BACKUP_CRON, 'backup', stop.signal, () => backUpIfPrimary(node)),
    DRILL_CRON && runAtSlots(node, DRILL_CRON, 'drill', stop.signal, () => drillIfStandby(node)),
  ];
  return async () => {
    stop.abort();
    await Promise.all([...crons, stopChecks()]);
  };
};

interface Crons {
  BACKUP_CRON: string;
  DRILL_CRON?: string | undefined;
}

/** Starts the background tasks that go by the node's own clock: all but the crons. The returned function stops them. */
export const startChecks = (node: Node): (() => Promise<void>) => {
  const stop = new AbortController();
  // Every loop listens to it, and Node warns above ten listeners.
  setMaxListeners(0, stop.signal);
  const { checkInterval } = node.settings;
  const failback = createFailback(node);
  const handBack = createHandBack(node);
  const monitor = createMonitor(node);
  const run = (interval: number, name: string, task: () => Promise<void>) =>
    loopWithPause(node, interval, stop.signal, name, task);
  const loops = [
    // A check of a lost machine takes its whole timeout, which must not delay the next check.
    loopAtInterval(node, checkInterval, stop.signal, 'monitor', async () => {
      await monitor();
      await failback();
      await handBack();
    }),
    run(checkInterval, 'guard', createGuard(node)),
    run(checkInterval, 'alarms', createAlarms(node)),
    ...node.replication.tasks.map((task) => run(checkInterval, task.name, task.run)),
    run(checkInterval, 'drill clean-up', createDrillCleanUp(node)),
    run(INTERVAL.readiness, 'readiness check', createReadinessWatch(node)),
    run(INTERVAL.peerSsh, 'peer SSH check', createPeerSshWatch(node, stop.signal)),
    run(INTERVAL.database, 'database check', createDatabaseWatch(node)),
    run(INTERVAL.idleDatabase, 'idle database check', createIdleDatabaseWatch(node)),
    run(INTERVAL.parts, 'parts check', createPartsWatch(node)),
    run(INTERVAL.certificate, 'certificate check', createCertificateWatch(node)),
    run(INTERVAL.witness, 'witness check', createWitnessWatch(node)),
    run(INTERVAL.disk, 'disk check', createDiskWatch(node)),
    run(checkInterval, 'role command', createRoleHookWatch(node)),
    run(INTERVAL.uncarried, 'uncarried check', createUncarriedWatch(node)),
    run(INTERVAL.restartPolicy, 'restart policy check', createRestartPolicyWatch(node)),
  ];
  return async () => {
    stop.abort();
    await Promise.all(loops);
  };
};
