import { join } from 'node:path';
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
import type { Tunnels } from '../ports/tunnels.js';
import { createDumpReplication } from '../replication/dumps/dumps.js';
import { RestoreJob } from '../replication/dumps/restore-job.js';
import { createStreamReplication } from '../replication/stream/stream.js';
import { newLocalView } from '../serve/local-view.js';
import { Ballast } from '../state/ballast.js';
import { NodeState } from '../state/node-state.js';
import { watchLatestOperations } from '../status/latest-operations.js';
import { watchRestarts } from '../status/restarts.js';

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
  /** Present when the agents carry PostgreSQL's replication themselves. */
  tunnels?: Tunnels;
  /** Every message to the peer carries `instance` and `epoch()`; every epoch in an answer is passed to `onEpoch`. */
  connectPeer(link: {
    instance: string;
    epoch(): number;
    onEpoch(epoch: number): Promise<void>;
  }): Peer;
}

/** Builds the node from what is on disk. Starts nothing. */
export const createNode = async (config: Config, drivers: Drivers): Promise<Node> => {
  const { disk, clock, faults, log } = drivers;
  const backups = await BackupStore.open(disk, config.BACKUP_DIR, faults, config.BACKUP_MAX_BYTES);
  const journal = await Journal.open(disk, config.STATE_DIR, (file) =>
    log.warn({ file }, 'a record of the history cannot be read; it is set aside'),
  );
  const hasWorked = journal.list().length > 0 || backups.list().length > 0;
  const { STATE_DIR, INITIAL_ROLE } = config;
  const state = await NodeState.open(disk, STATE_DIR, INITIAL_ROLE, clock.now, hasWorked);
  if (state.foundAgain !== undefined) announceLoss(drivers, config, state.foundAgain);
  const ballast = new Ballast(disk, STATE_DIR);
  return assembleNode(drivers, { settings: settingsOf(config), state, backups, ballast, journal });
};

const announceLoss = (
  { log, notifier }: Drivers,
  { NODE_NAME, STATE_DIR }: Config,
  source: 'its copy' | 'nothing',
): void => {
  const file = join(STATE_DIR, 'state.json');
  log.error({ file, source }, 'the state was lost or damaged');
  notifier.announce({
    event: 'state-lost',
    severity: source === 'nothing' ? 'critical' : 'warning',
    message: `${NODE_NAME} has lost ${file}, or it was damaged; ${source === 'nothing' ? 'it serves nobody until it has found its role again, in its database and from the other node' : 'its copy was whole and is used'}`,
    remedy: 'look at the disk of this node; a damaged file lies beside it as state.json.unreadable',
  });
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
  const runner = new Runner({ journal, clock, ids, faults, log, epoch, ballast });
  const instance = ids.random();
  const parts = {
    ...drivers,
    ...stored,
    leadership: new PairLeadership({ state, ballast, clock, log }),
    restoreJob: new RestoreJob(stack.database, settings.databaseName),
    runner,
    instance,
    peer: drivers.connectPeer({ instance, epoch, onEpoch: (heard) => noteEpoch(node, heard) }),
    peerView: { begunAt: clock.elapsed() },
    local: {
      ...newLocalView(),
      latest: watchLatestOperations({ runner }),
      restarts: watchRestarts({ runner }),
    },
  };
  const { cluster } = stack;
  const replication =
    cluster === undefined
      ? createDumpReplication(parts)
      : createStreamReplication({ ...parts, cluster });
  const node: Node = { ...parts, replication };
  return node;
};
