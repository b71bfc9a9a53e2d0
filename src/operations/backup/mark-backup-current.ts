import { isError, toColdspareError } from '../../domain/errors.js';
import { isoNow, type Node } from '../node.js';
import { usableBackups } from '../promote/choose-backup.js';
import { notePush, retryUnreachable } from './backup.js';

/**
 * Finds out whether the newest backup still holds everything that is in the database, and if so, both nodes take it
 * for as young as this moment: nothing would be lost with it. Anything doubtful is a no; but while the other node does
 * not answer, another dump of the same would help nobody: this one is sent again. Resolves to its id.
 */
export const markBackupCurrent = async (node: Node): Promise<string | undefined> => {
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
