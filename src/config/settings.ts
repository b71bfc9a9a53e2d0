import { join } from 'node:path';
import type { Config } from './config.js';

/**
 * Milliseconds that the witness has at least. A load balancer that asks a lost machine first needs its own time-out
 * before it can say so, and a witness that says nothing forbids the takeover.
 */
const WITNESS_LEAST = 3_000;

/** What the agent writes at every round of its guard, and the watchdog reads. */
export const heartbeatFile = ({ STATE_DIR }: Config): string => join(STATE_DIR, 'heartbeat');

interface AppHealth {
  host: string | undefined;
  statuses: [number, number][] | undefined;
}

/** How the app is asked, here and on the other server. */
export const healthCheckOf = ({ APP_HEALTH_HOST, APP_HEALTH_STATUS }: Config): AppHealth => ({
  host: APP_HEALTH_HOST,
  statuses: APP_HEALTH_STATUS,
});

/** The part of the configuration that operations and background tasks go by. Lengths of time are milliseconds. */
export const settingsOf = (config: Config) => ({
  nodeName: config.NODE_NAME,
  peerUrl: config.PEER_URL,
  databaseName: config.DB_NAME,
  backupPrefix: config.BACKUP_PREFIX,
  retention: {
    newest: config.BACKUP_KEEP,
    daily: config.BACKUP_KEEP_DAILY,
    weekly: config.BACKUP_KEEP_WEEKLY,
  },
  backupMaxAge: config.BACKUP_MAX_AGE,
  appHealthUrl: config.APP_HEALTH_URL,
  appHealth: healthCheckOf(config),
  primaryCheckUrl: config.PRIMARY_CHECK_URL,
  witnessUrl: config.WITNESS_URL,
  monitor: config.MONITOR,
  checkInterval: config.CHECK_INTERVAL,
  checkTimeout: config.CHECK_TIMEOUT,
  witnessTimeout: Math.max(config.CHECK_TIMEOUT, WITNESS_LEAST),
  failThreshold: config.FAIL_THRESHOLD,
  confirmChecks: config.CONFIRM_CHECKS,
  confirmInterval: config.CONFIRM_INTERVAL,
  failback: config.FAILBACK,
  prepare: config.PREPARE,
  drillQuery: config.DRILL_QUERY,
  failbackStable: config.FAILBACK_STABLE,
  rescueTimeout: config.RESCUE_TIMEOUT,
  alone: config.ALONE,
  aloneGrace: config.ALONE_GRACE,
  appStartTimeout: config.APP_START_TIMEOUT,
  appRestartAfter: config.APP_RESTART_AFTER,
  /** With REPLICATION=stream: what is remembered of the replica, and where dumps of databases go that it replaces. */
  replicaFile: join(config.STATE_DIR, 'replica.json'),
  keptDirectory: join(config.STATE_DIR, 'kept'),
  webhookMonitors: config.WEBHOOK_MONITORS,
  webhookSigningSecret: config.WEBHOOK_SIGNING_SECRET,
  /** Says when this node last served. */
  servedFile: join(config.STATE_DIR, 'served.json'),
  /** Changed at every round of the guard; undefined without a watchdog. */
  heartbeatFile: config.WATCHDOG_TIMEOUT > 0 ? heartbeatFile(config) : undefined,
});
export type Settings = ReturnType<typeof settingsOf>;
