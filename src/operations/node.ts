import type { BackupStore } from '../backups/backup-store.js';
import type { Settings } from '../config/settings.js';
import type { Runner } from '../engine/runner.js';
import type { Leadership } from '../leadership/leadership.js';
import type { Peer } from '../peer/peer.js';
import type { PeerMachine } from '../peer/peer-machine.js';
import type { PeerView } from '../peer/peer-view.js';
import type { Clock } from '../ports/clock.js';
import type { CredentialFiles } from '../ports/credentials.js';
import type { Disk } from '../ports/disk.js';
import type { Ids } from '../ports/ids.js';
import type { Log } from '../ports/log.js';
import type { Notifier } from '../ports/notifier.js';
import type { Probe } from '../ports/probe.js';
import type { Stack } from '../ports/stack.js';
import type { Tunnels } from '../ports/tunnels.js';
import type { RestoreJob } from '../replication/dumps/restore-job.js';
import type { Replication } from '../replication/replication.js';
import type { LocalView } from '../serve/local-view.js';
import type { Ballast } from '../state/ballast.js';
import type { NodeState } from '../state/node-state.js';

/** One agent with everything that it acts through. Each operation names the parts that it needs. */
export interface Node {
  settings: Settings;
  /** Which run of the agent this is; random, and never written to disk, so that no clone has it (H37). */
  instance: string;
  /** What is on disk, such as role and epoch. */
  state: NodeState;
  /** Decides who may serve. */
  leadership: Leadership;
  /** Brings the primary's data to the standby. */
  replication: Replication;
  backups: BackupStore;
  ballast: Ballast;
  restoreJob: RestoreJob;
  runner: Runner;
  stack: Stack;
  peer: Peer;
  /** Absent without PEER_SSH. */
  machine?: PeerMachine;
  /** Absent without TLS_CERT. */
  credentials?: CredentialFiles;
  /** Present when the agents carry PostgreSQL's replication themselves. */
  tunnels?: Tunnels;
  probe: Probe;
  disk: Disk;
  clock: Clock;
  ids: Ids;
  notifier: Notifier;
  log: Log;
  /** The last observations of the other node and of this one. */
  peerView: PeerView;
  local: LocalView;
}
