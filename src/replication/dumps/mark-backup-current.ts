import type { BackupStore } from '../../backups/backup-store.js';
import { usableBackups } from '../../backups/catalog.js';
import { isError, toColdspareError } from '../../domain/errors.js';
import type { Runner } from '../../engine/runner.js';
import type { Peer } from '../../peer/peer.js';
import { retryUnreachable } from '../../peer/retry-unreachable.js';
import { type Clock, isoNow } from '../../ports/clock.js';
import type { Log } from '../../ports/log.js';
import type { Stack } from '../../ports/stack.js';
import type { NodeState } from '../../state/node-state.js';
import { notePush } from './push.js';

interface Confirmer {
  settings: { nodeName: string };
  state: NodeState;
  stack: Pick<Stack, 'database'>;
  backups: BackupStore;
  runner: Pick<Runner, 'current'>;
  peer: Pick<Peer, 'confirm'>;
  clock: Clock;
  log: Log;
}

/**
 * Checks whether the newest backup still holds everything in the database. If so, both nodes record that it is current
 * at this moment, and it resolves to the backup's id. In doubt it resolves to undefined, and a new backup is due. While
 * the peer does not answer, the backup only has to be pushed again, so its id is the answer as well.
 */
export const markBackupCurrent = async (node: Confirmer): Promise<string | undefined> => {
  const { state, stack, runner, settings, peer, log } = node;
  const { epoch, push } = state.current;
  const [newest] = usableBackups(node);
  const isOurs = newest?.node === settings.nodeName && newest.epoch === epoch;
  if (newest?.fingerprint === undefined || !isOurs || runner.current) return undefined;
  try {
    const at = isoNow(node);
    if ((await stack.database.fingerprint()) !== newest.fingerprint) return undefined;
    await retryUnreachable(node, new AbortController().signal, () => peer.confirm(newest.id, at));
    await state.update({ confirmed: { backup: newest.id, at } });
    if (push.failingSince !== null) await notePush(node, null);
    return newest.id;
  } catch (error) {
    if (isError(error, 'peer-unreachable')) {
      await notePush(node, toColdspareError(error).message);
      return newest.id;
    }
    log.info({ error }, `${newest.id} could not be confirmed: a new backup is taken`);
    return undefined;
  }
};
