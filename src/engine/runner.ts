import { EventEmitter, once } from 'node:events';
import { timestamp } from '../domain/backup-id.js';
import { ColdspareError, Refused } from '../domain/errors.js';
import {
  hasEnded,
  isKeyExpired,
  type OperationKind,
  type OperationRecord,
  type Source,
} from '../domain/operation.js';
import { printable } from '../domain/printable.js';
import type { Clock } from '../ports/clock.js';
import type { Faults } from '../ports/faults.js';
import type { Ids } from '../ports/ids.js';
import type { Log } from '../ports/log.js';
import type { Ballast } from '../state/ballast.js';
import { execute } from './execute.js';
import type { Journal } from './journal.js';
import type { Plan } from './operation.js';
import { newRunning, type Running } from './running.js';
import { logUnsaved, saveRecord } from './save-record.js';

/** Milliseconds that a graceful stop waits for a step that ignores its signal. The next start resumes the operation. */
const STOP_TIMEOUT = 10_000;

interface Asked {
  source: Source;
  idempotencyKey?: string;
  /** The id chosen by the peer, for an operation that spans both nodes. */
  id?: string;
}

export interface RunnerPorts {
  journal: Journal;
  clock: Clock;
  ids: Ids;
  faults: Faults;
  log: Log;
  /** The node's epoch now. */
  epoch(): number;
  ballast: Pick<Ballast, 'withRoom'>;
}

/** Runs one operation at a time, writes each step to the journal, and undoes the steps of a failed one. */
export class Runner {
  readonly #ports: RunnerPorts;
  readonly #events = new EventEmitter().setMaxListeners(0);
  #running: Running | undefined;
  #stopping = false;

  constructor(ports: RunnerPorts) {
    this.#ports = ports;
  }

  /** The running operation; undefined once it has ended, even while its last record is being written. */
  get current(): OperationRecord | undefined {
    const record = this.#running?.record;
    return record === undefined || hasEnded(record) ? undefined : record;
  }

  get(id: string): OperationRecord | undefined {
    return this.#running?.record.id === id ? this.#running.record : this.#ports.journal.get(id);
  }

  list(): OperationRecord[] {
    return this.#ports.journal.list();
  }

  /** The operation that an earlier call with this key started. @throws Refused `idempotency-conflict` when that was another kind */
  repeated(kind: OperationKind, idempotencyKey: string | undefined): OperationRecord | undefined {
    if (idempotencyKey === undefined) return undefined;
    const earlier = this.list().find(
      (record) =>
        record.idempotencyKey === idempotencyKey && !isKeyExpired(this.#ports.clock.now(), record),
    );
    if (earlier !== undefined && earlier.kind !== kind) {
      throw new Refused(
        'idempotency-conflict',
        `this Idempotency-Key belongs to ${earlier.kind} ${earlier.id}`,
        'use a new key for another operation',
        { value: earlier.id },
      );
    }
    return earlier;
  }

  /**
   * Starts an operation and resolves to its first record, while it goes on. Returns the running operation when it is of
   * the same kind. Ends a preemptible operation first, unless `plan.neverPreempts`.
   * @throws Refused `busy` when another operation runs
   */
  async start(plan: Plan, asked: Asked): Promise<OperationRecord> {
    await this.#waitForLastWrite();
    const isOther = this.#running?.plan.kind !== plan.kind;
    if (this.#running?.plan.isPreemptible?.(plan) && isOther && !plan.neverPreempts) {
      await this.#end(this.#running, 'preempted', `${plan.kind} is more urgent`, plan);
    }
    // It may have been cancelled while it waited for the other one to end.
    const known = asked.id === undefined ? undefined : this.get(asked.id);
    if (known !== undefined) return known;
    if (this.#running?.plan.kind === plan.kind) return this.#running.record;
    if (this.#running !== undefined || this.#stopping) throw this.#busy(plan.kind);
    return this.#begin(plan, this.#newRecord(plan, asked)).record;
  }

  /** @throws Refused `busy` when an operation like this could not start now */
  assertNotBusy(plan: Plan): void {
    const running = this.current === undefined ? undefined : this.#running?.plan;
    if (running === undefined || running.kind === plan.kind || running.isPreemptible?.(plan))
      return;
    throw this.#busy(plan.kind);
  }

  /** Restarts an operation that a crash interrupted, under its own id. */
  async resume(plan: Plan, record: OperationRecord): Promise<OperationRecord> {
    await this.#waitForLastWrite();
    if (this.#running !== undefined) throw this.#busy(plan.kind);
    // The crash may have come between the commit and the record of it.
    const committed = plan.isCommitted(record);
    return this.#begin(plan, { ...record, committed, attempt: record.attempt + 1 }).record;
  }

  /** Records how an operation ended that is not resumed. */
  async close(
    record: OperationRecord,
    ending: Pick<OperationRecord, 'state' | 'committed' | 'error'>,
  ): Promise<void> {
    const ended = { ...record, ...ending, endedAt: this.#now() };
    // On a full disk it is closed again at the next start.
    await this.#ports.journal
      .save(ended)
      .catch((error: unknown) => logUnsaved(this.#ports, ended, error));
    this.#events.emit('end', ended);
  }

  /** The record when the operation has ended, or as it is after `ms` milliseconds. */
  async wait(id: string, ms: number): Promise<OperationRecord | undefined> {
    const running = this.#running;
    if (running?.record.id === id) {
      const giveUp = new AbortController();
      const timeout = this.#ports.clock.sleep(ms, giveUp.signal).catch(() => {});
      await Promise.race([running.ended, timeout]);
      giveUp.abort();
    }
    return this.get(id);
  }

  /** The record at every change until it has ended; starts with the present one. */
  async *watch(id: string, signal: AbortSignal): AsyncGenerator<OperationRecord> {
    for (let record = this.get(id); record !== undefined; record = this.get(id)) {
      const changed = once(this.#events, id, { signal });
      changed.catch(() => {});
      // A copy, because the record may change while the reader has it.
      const seen = structuredClone(record);
      yield seen;
      if (hasEnded(seen)) return;
      await changed;
    }
  }

  /** Calls `listener` once with every operation that ends. */
  onEnd(listener: (record: OperationRecord) => void): void {
    this.#events.on('end', listener);
  }

  /** Ends the operation, unless it has committed. Resolves to its last record. */
  async cancel(id: string, why: string): Promise<OperationRecord | undefined> {
    const running = this.#running;
    if (running?.record.id !== id) return this.get(id);
    return this.#end(running, 'cancelled', why);
  }

  /** For a graceful stop: interrupts the running operation, so that the next start resumes it. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#running?.interrupt.abort(
      new ColdspareError(
        'interrupted',
        'the agent is stopping',
        'it goes on when the agent is back',
      ),
    );
    const running = this.#running;
    if (running === undefined) return;
    const timeout = this.#ports.clock.sleep(STOP_TIMEOUT).catch(() => {});
    await Promise.race([running.ended, timeout]);
  }

  /** Waits for the last journal write before the next operation starts. */
  async #waitForLastWrite(): Promise<void> {
    if (this.#running !== undefined && this.current === undefined) await this.#running.ended;
  }

  async #end(
    running: Running,
    code: 'cancelled' | 'preempted',
    why: string,
    by?: Plan,
  ): Promise<OperationRecord> {
    const { record, plan } = running;
    const isPreemptible = plan.isPreemptible?.(by) === true;
    // After its commit it runs to its end, however long the app takes to start.
    if (record.committed && !isPreemptible) return record;
    const controller = isPreemptible ? running.preempt : running.cancel;
    controller.abort(
      new ColdspareError(
        code,
        `${plan.kind} ${record.id} was ended: ${why}`,
        'nothing to do; ask again if it is still wanted',
      ),
    );
    return running.ended;
  }

  #begin(plan: Plan, first: OperationRecord): Running {
    const record = structuredClone(first);
    const running = newRunning(record, plan, () => this.#events.emit(record.id));
    this.#running = running;
    running.ended = this.#execute(running);
    return running;
  }

  async #execute(running: Running): Promise<OperationRecord> {
    const { record } = running;
    await execute(running, {
      ...this.#ports,
      save: (saved) => this.#save(saved),
      keepRows: (id, text) => this.#ports.journal.keepRows(id, text),
      now: () => this.#now(),
    });
    this.#running = undefined;
    this.#events.emit(record.id);
    // An operation that a graceful stop interrupted has not ended.
    if (hasEnded(record)) this.#events.emit('end', record);
    await this.#ports.journal.prune().catch(() => {});
    return record;
  }

  #newRecord(plan: Plan, asked: Asked): OperationRecord {
    const { clock, ids, epoch } = this.#ports;
    return {
      id: asked.id ?? `${timestamp(clock.now())}_${plan.kind}_${ids.random().slice(0, 8)}`,
      kind: plan.kind,
      state: 'running',
      committed: false,
      reason: printable(plan.reason),
      source: asked.source,
      epoch: epoch(),
      startedAt: this.#now(),
      endedAt: null,
      steps: [],
      result: null,
      error: null,
      command: plan.command,
      attempt: 1,
      ...(asked.idempotencyKey === undefined ? {} : { idempotencyKey: asked.idempotencyKey }),
    };
  }

  async #save(record: OperationRecord): Promise<void> {
    await saveRecord(this.#ports, record);
    this.#events.emit(record.id);
  }

  #busy(wanted: OperationKind): Refused {
    const running = this.#running?.record;
    return new Refused(
      'busy',
      running === undefined
        ? 'the agent is stopping'
        : `${wanted} cannot start: ${running.kind} ${running.id} has been running since ${running.startedAt} (${running.reason})`,
      running === undefined
        ? 'ask again when it is back'
        : `GET /operations/${running.id} follows it; ask again when it has ended`,
      { value: running?.id },
    );
  }

  #now(): string {
    return new Date(this.#ports.clock.now()).toISOString();
  }
}
