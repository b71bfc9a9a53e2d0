import { join } from 'node:path';
import type { Config } from './config.js';

/**
 * Milliseconds that the witness has at least. A load balancer that asks a lost machine first needs its own time-out
 * before it can say so, and a witness that says nothing forbids the takeover.
 */
const WITNESS_LEAST = 3_000;

/** What the agent writes at every round of its guard, and the watchdog reads. */
export const heartbeatFile = ({ STATE_DIR }: Config): string => join(STATE_DIR, 'heartbeat');

/** The part of the configuration that operations and background tasks go by. Lengths of time are milliseconds. */
export const settingsOf = (config: Config) => ({
  nodeName: config.NODE_NAME,
  peerUrl: config.PEER_URL,
  databaseName: config.DB_NAME,
  backupPrefix: config.BACKUP_PREFIX,
  backupKeep: config.BACKUP_KEEP,
  backupMaxAge: config.BACKUP_MAX_AGE,
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
  webhookMonitors: config.WEBHOOK_MONITORS,
  webhookSigningSecret: config.WEBHOOK_SIGNING_SECRET,
  /** Changed at every round of the guard; undefined without a watchdog. */
  heartbeatFile: config.WATCHDOG_TIMEOUT > 0 ? heartbeatFile(config) : undefined,
});
export type Settings = ReturnType<typeof settingsOf>;
