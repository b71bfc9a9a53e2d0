import { needsJournal, type OperationRecord } from '../domain/operation.js';
import type { Log } from '../ports/log.js';
import type { Ballast } from '../state/ballast.js';
import type { Journal } from './journal.js';

interface Ports {
  journal: Journal;
  log: Log;
  ballast: Pick<Ballast, 'withRoom'>;
}

/**
 * Writes the record to the journal. What decides who serves goes on without it: a full disk must not keep a primary from
 * serving or a standby from taking over (H51).
 */
export const saveRecord = async (ports: Ports, record: OperationRecord): Promise<void> => {
  const copy = structuredClone(record);
  try {
    const save = () => ports.journal.save(copy);
    await (record.kind === 'promote' ? ports.ballast.withRoom(save) : save());
  } catch (error) {
    if (needsJournal(record.kind)) throw error;
    logUnsaved(ports, record, error);
  }
};

export const logUnsaved = (
  { log }: Pick<Ports, 'log'>,
  { id }: Pick<OperationRecord, 'id'>,
  error: unknown,
): void => log.error({ operation: id, error }, 'the journal could not be written');
