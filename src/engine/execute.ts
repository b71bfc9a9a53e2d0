import { ColdspareError, Refused, toColdspareError } from '../domain/errors.js';
import type { OperationRecord, StepRecord } from '../domain/operation.js';
import { printable } from '../domain/printable.js';
import type { Faults } from '../ports/faults.js';
import type { Log } from '../ports/log.js';
import type { StepContext, StepOptions, Steps } from './operation.js';
import type { Running } from './running.js';

interface Ports {
  faults: Faults;
  log: Log;
  /** Writes the record to the journal and notifies watchers. */
  save(record: OperationRecord): Promise<void>;
  /** Writes what an error quotes from the database to a file that only root reads. Resolves to its path. */
  keepRows(operation: string, text: string): Promise<string>;
  /** ISO 8601. */
  now(): string;
}

/** Undoes a step that has begun. */
interface Undo {
  step: string;
  undo: NonNullable<StepOptions['undo']>;
}

/**
 * Runs an operation to its end. Undoes its steps when it fails before its commit. Never throws. After a graceful stop
 * of the agent the record stays "running", so that the next start resumes the operation.
 */
export const execute = async (running: Running, ports: Ports): Promise<void> => {
  const { record, plan } = running;
  const undos: Undo[] = [];
  try {
    await ports.save(record);
    await plan.run(stepsOf(running, undos, ports));
    finish(running, 'done', ports);
  } catch (thrown) {
    if (!running.interrupt.signal.aborted) {
      const error = toColdspareError(thrown);
      await fail(running, undos, error, ports);
      await keepRows(record, error, ports);
    }
  }
  await ports.save(record).catch((error: unknown) => {
    // An operation ends even when the disk no longer takes its record (rule 7).
    ports.log.error(
      { operation: record.id, error },
      'the end of an operation could not be written to the journal',
    );
  });
};

/** The rows that an error names go to no log, message or status. A person who needs them finds the file. */
const keepRows = async (
  record: OperationRecord,
  { withRows }: ColdspareError,
  ports: Ports,
): Promise<void> => {
  if (withRows === undefined || record.error === null) return;
  const file = await ports.keepRows(record.id, withRows).catch(() => undefined);
  if (file !== undefined)
    record.error.remedy += `; ${file} on this server has the rows that it names`;
};

const stepsOf = (running: Running, undos: Undo[], ports: Ports): Steps => ({
  operation: running.record.id,
  step: async (name, run, { undo } = {}) => {
    if (!running.plan.steps.includes(name))
      throw new Error(`step ${name} is missing in the list of steps of ${running.plan.kind}`);
    signalOf(running).throwIfAborted();
    // A step that ran twice is undone once.
    const earlier = undos.findIndex(({ step }) => step === name);
    if (earlier >= 0) undos.splice(earlier, 1);
    if (undo !== undefined) undos.push({ step: name, undo });
    return runStep(running, name, run, ports);
  },
  report: (facts) => {
    Object.assign(running.result, facts);
  },
});

const runStep = async <T>(
  running: Running,
  name: string,
  run: (context: StepContext) => Promise<T>,
  { faults, log, save, now }: Ports,
): Promise<T> => {
  const { record, plan, changed } = running;
  const signal = signalOf(running);
  const ending = running.signals.committed;
  const entry: StepRecord = {
    name,
    state: 'running',
    startedAt: now(),
    endedAt: null,
    detail: null,
  };
  record.steps.push(entry);
  await save(record);
  const label = `${plan.kind}.${name}`;
  try {
    await faults.at(label, 'before');
    const value = await run({
      operation: record.id,
      signal,
      ending,
      progress: (done, total) => {
        entry.progress = { done, total };
        changed();
      },
      say: (detail) => {
        entry.detail = printable(detail);
        changed();
      },
      commit: () => {
        record.committed = true;
      },
    });
    await faults.at(label, 'after');
    entry.state = 'done';
    return value;
  } catch (thrown) {
    const end = [ending, signal].find(({ aborted }) => aborted);
    const error = toColdspareError(end === undefined ? thrown : end.reason);
    entry.state = 'failed';
    entry.detail = error.message;
    log.warn({ operation: record.id, step: label, code: error.code, error: thrown }, error.message);
    throw error;
  } finally {
    entry.endedAt = now();
    await save(record).catch(() => {});
  }
};

/** Ends the present step. After the commit a cancel no longer does. */
const signalOf = ({ record, signals }: Running): AbortSignal =>
  record.committed ? signals.committed : signals.open;

const fail = async (
  running: Running,
  undos: Undo[],
  error: ColdspareError,
  ports: Ports,
): Promise<void> => {
  const { record, plan } = running;
  record.committed = plan.isCommitted(record);
  if (record.committed) return finish(running, 'failed', ports, error);
  try {
    for (const { step, undo } of undos.reverse()) {
      await undo(error);
      for (const entry of record.steps)
        if (entry.name === step && entry.state === 'done') entry.state = 'undone';
    }
    finish(running, error instanceof Refused ? 'refused' : 'rolled-back', ports, error);
  } catch (thrown) {
    const undoError = toColdspareError(thrown);
    const message = `${error.message}; undoing it failed as well: ${undoError.message}`;
    const both = new ColdspareError(error.code, message, undoError.remedy, { cause: thrown });
    finish(running, 'failed', ports, both);
  }
};

const finish = (
  { record, result }: Running,
  state: OperationRecord['state'],
  { log, now }: Ports,
  error?: ColdspareError,
): void => {
  record.state = state;
  record.endedAt = now();
  record.result = Object.keys(result).length === 0 ? null : result;
  record.error =
    error === undefined ? null : { code: error.code, message: error.message, remedy: error.remedy };
  log.info(
    { operation: record.id, kind: record.kind, state, error: record.error },
    `${record.kind} ${state}`,
  );
};
