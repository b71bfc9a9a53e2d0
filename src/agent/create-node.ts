import { BackupStore } from '../backups/backup-store.js';
import type { Config } from '../config/config.js';
import { settingsOf } from '../config/settings.js';
import { Journal } from '../engine/journal.js';
import { Runner } from '../engine/runner.js';
import { PairLeadership } from '../leadership/pair.js';
import type { Node } from '../operations/node.js';
import { noteEpoch } from '../operations/note-epoch.js';
import type { Peer } from '../peer/peer.js';
import type { PeerMachine } from '../peer/peer-machine.js';
import type { Clock } from '../ports/clock.js';
import type { CredentialFiles } from '../ports/credentials.js';
import type { Disk } from '../ports/disk.js';
import type { Faults } from '../ports/faults.js';
import type { Ids } from '../ports/ids.js';
import type { Log } from '../ports/log.js';
import type { Notifier } from '../ports/notifier.js';
import type { Probe } from '../ports/probe.js';
import type { Stack } from '../ports/stack.js';
import { createDumpReplication } from '../replication/dumps/dumps.js';
import { RestoreJob } from '../replication/dumps/restore-job.js';
import { newLocalView } from '../serve/local-view.js';
import { Ballast } from '../state/ballast.js';
import { NodeState } from '../state/node-state.js';

/** Everything outside the process that an agent acts through. */
export interface Drivers {
  disk: Disk;
  clock: Clock;
  ids: Ids;
  log: Log;
  faults: Faults;
  notifier: Notifier;
  probe: Probe;
  stack: Stack;
  /** Absent when the peer is only reached through its agent. */
  machine?: PeerMachine;
  /** Absent when this node speaks plain HTTP. */
  credentials?: CredentialFiles;
  /** Every message to the peer carries `epoch()`; every epoch in an answer is passed to `onEpoch`. */
  connectPeer(link: { epoch(): number; onEpoch(epoch: number): Promise<void> }): Peer;
}

/** Builds the node from what is on disk. Starts nothing. @throws ColdspareError `internal` when its state cannot be read */
export const createNode = async (config: Config, drivers: Drivers): Promise<Node> => {
  const { disk, clock, faults } = drivers;
  const state = await NodeState.open(disk, config.STATE_DIR, config.INITIAL_ROLE, clock.now);
  const backups = await BackupStore.open(disk, config.BACKUP_DIR, faults, config.BACKUP_MAX_BYTES);
  const journal = await Journal.open(disk, config.STATE_DIR);
  const ballast = new Ballast(disk, config.STATE_DIR);
  return assembleNode(drivers, { settings: settingsOf(config), state, backups, ballast, journal });
};

/** What an agent has on disk, and its settings. */
interface Stored extends Pick<Node, 'settings' | 'state' | 'backups' | 'ballast'> {
  journal: Journal;
}

/** Builds the node from its drivers and what is on disk. */
export const assembleNode = (drivers: Drivers, { journal, ...stored }: Stored): Node => {
  const { clock, ids, faults, log, stack } = drivers;
  const { state, ballast, settings } = stored;
  const epoch = () => state.current.epoch;
  const parts = {
    ...drivers,
    ...stored,
    leadership: new PairLeadership({ state, ballast, log }),
    restoreJob: new RestoreJob(stack.database, settings.databaseName),
    runner: new Runner({ journal, clock, ids, faults, log, epoch }),
    peer: drivers.connectPeer({ epoch, onEpoch: (heard) => noteEpoch(node, heard) }),
    peerView: {},
    local: newLocalView(),
  };
  const node: Node = { ...parts, replication: createDumpReplication(parts) };
  return node;
};
