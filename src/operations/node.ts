import type { BackupStore } from '../backups/backup-store.js';
import type { ColdspareError } from '../domain/errors.js';
import type { Marker } from '../domain/marker.js';
import type { NodeStatus } from '../domain/status.js';
import type { Runner } from '../engine/runner.js';
import type { Peer } from '../peer/peer.js';
import type { PeerMachine } from '../peer/peer-machine.js';
import type { PeerProbe } from '../peer/probe-peer.js';
import type { Clock } from '../ports/clock.js';
import type { CredentialFiles } from '../ports/credentials.js';
import type { Disk } from '../ports/disk.js';
import type { Faults } from '../ports/faults.js';
import type { Ids } from '../ports/ids.js';
import type { Log } from '../ports/log.js';
import type { Notifier } from '../ports/notifier.js';
import type { Probe, ProbeResult } from '../ports/probe.js';
import type { Stack } from '../ports/stack.js';
import type { Ballast } from '../state/ballast.js';
import type { NodeState } from '../state/node-state.js';
import type { Restoring } from './restore/restore-job.js';

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

/** What became of an old primary whose agent did not answer. */
interface Fenced {
  event: 'fenced-by-ssh' | 'not-fenced';
  message: string;
  remedy: string;
}

interface Observed<T> {
  value: T;
  /** `clock.now()` when it was seen. */
  at: number;
}

/** What the node saw last. Cheap answers come from here; decisions look again, unless that was just now. */
interface Observations {
  /** The highest epoch that was heard of; 0 before any was. */
  epoch: number;
  app: Observed<ProbeResult> | undefined;
  /** This agent has opened the database to the app since it started: before, an app that answers is somebody else's. */
  opened: boolean;
  peer: Observed<NodeStatus | { error: string }> | undefined;
  /** The last look at the peer, and `clock.elapsed()` when it ended. */
  look?: { value: PeerProbe; endedAt: number } | undefined;
  /** What the peer said when it last answered, however long ago. */
  answer?: Observed<NodeStatus>;
  /** The peer's machine over SSH; undefined without PEER_SSH. */
  machine?: Observed<{ error: ColdspareError | null }>;
  /** Why the certificate files as they are now cannot be used; null when they are in use. */
  certificateError?: ColdspareError | null;
  database: Observed<{ answers: boolean; marker: Marker | undefined }> | undefined;
  /** Why this node serves although its peer could not be asked (ALONE=serve); until the peer answers. */
  alone: string | undefined;
  /** How the old primary was kept from serving over SSH, or that it could not be; until its agent answers. */
  fenced?: Fenced | undefined;
  /** What the guard said when it stopped, the last time, an app that somebody else had started. */
  foreignApp?: Observed<string>;
  /** Why a standby could not restore beside its database for want of room; null when there was enough the last time. */
  noRoom?: ColdspareError | null;
}

/** One agent with everything it acts through. Operations get it whole: each uses what it needs. */
export interface Node {
  settings: Settings;
  state: NodeState;
  backups: BackupStore;
  ballast: Ballast;
  restoring: Restoring;
  runner: Runner;
  stack: Stack;
  peer: Peer;
  /** Absent without PEER_SSH. */
  machine?: PeerMachine;
  /** Absent without TLS_CERT. */
  credentials?: CredentialFiles;
  probe: Probe;
  disk: Disk;
  clock: Clock;
  ids: Ids;
  faults: Faults;
  notifier: Notifier;
  log: Log;
  observed: Observations;
}

export const isoNow = (node: Pick<Node, 'clock'>): string =>
  new Date(node.clock.now()).toISOString();

/** Whether the other node has become primary, and a disk that takes no writes still says that this one is. */
export const knowsHigherEpoch = ({ state, observed }: Node): boolean =>
  state.current.mode === 'primary' && observed.epoch > state.current.epoch;
