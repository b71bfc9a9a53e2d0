/** The part of the configuration that operations and schedules go by. Lengths of time are milliseconds. */
export interface Settings {
  nodeName: string;
  peerUrl: string;
  databaseName: string;
  backupPrefix: string;
  backupKeep: number;
  backupMaxAge: number;
  primaryCheckUrl: string | undefined;
  witnessUrl: string | undefined;
  monitor: 'on' | 'off';
  checkInterval: number;
  checkTimeout: number;
  witnessTimeout: number;
  failThreshold: number;
  confirmChecks: number;
  confirmInterval: number;
  failback: 'auto' | 'manual';
  prepare: 'on-receive' | 'on-promote';
  /** SQL that has to be true of what a drill restores. */
  drillQuery: string | undefined;
  failbackStable: number;
  rescueTimeout: number;
  alone: 'serve' | 'wait';
  aloneGrace: number;
  appStartTimeout: number;
  appRestartAfter: number;
  /** The monitors whose word counts, by name, id or URL; none: all of them. */
  webhookMonitors: readonly string[];
  /** With one, every webhook has to be signed. */
  webhookSigningSecret: string | undefined;
  /** Changed at every round of the guard; undefined without a watchdog. */
  heartbeatFile: string | undefined;
}
