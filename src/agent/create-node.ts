import { BackupStore } from '../backups/backup-store.js';
import type { Config } from '../config/config.js';
import { settingsOf } from '../config/settings.js';
import { Journal } from '../engine/journal.js';
import { Runner } from '../engine/runner.js';
import type { Node } from '../operations/node.js';
import { Restoring } from '../operations/restore/restore-job.js';
import { noteEpoch } from '../peer/note-epoch.js';
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
  /** Every message to the peer carries `epoch()`; every epoch it answers with goes to `onEpoch`. */
  connectPeer(link: { epoch(): number; onEpoch(epoch: number): Promise<void> }): Peer;
}

/** The node of an agent as its disk has it. Starts nothing. @throws ColdspareError `internal` when its state cannot be read */
export const createNode = async (config: Config, drivers: Drivers): Promise<Node> => {
  const { disk, clock, faults, ids, log } = drivers;
  const state = await NodeState.open(disk, config.STATE_DIR, config.INITIAL_ROLE, clock.now);
  const backups = await BackupStore.open(disk, config.BACKUP_DIR, faults, config.BACKUP_MAX_BYTES);
  const journal = await Journal.open(disk, config.STATE_DIR);
  const epoch = () => state.current.epoch;
  const node: Node = {
    ...drivers,
    settings: settingsOf(config),
    state,
    backups,
    ballast: new Ballast(disk, config.STATE_DIR),
    restoring: new Restoring(drivers.stack.database, config.DB_NAME),
    runner: new Runner({ journal, clock, ids, faults, log, epoch }),
    peer: drivers.connectPeer({ epoch, onEpoch: (heard) => noteEpoch(node, heard) }),
    observed: {
      epoch: 0,
      app: undefined,
      opened: false,
      peer: undefined,
      database: undefined,
      alone: undefined,
    },
  };
  return node;
};
