import { newestFirst } from '../../../src/domain/manifest.js';
import type { OperationRecord } from '../../../src/domain/operation.js';
import type { Announcement } from '../../../src/ports/notifier.js';
import type { StateData } from '../../../src/state/node-state.js';
import type { Contents } from '../database.js';
import type { Machine } from '../machine.js';
import type { BackupFiles } from './backup-files.js';
import type { Facts } from './facts.js';

/** A write that a database took. */
interface Write {
  row: number;
  at: number;
  machine: Machine;
  /** The client was told. */
  isAcknowledged: boolean;
  /** Taken by an app that somebody else had started on a node that may not serve. */
  isForeign: boolean;
}

/** What is announced of a database that was set aside. */
const KEPT: ReadonlySet<string> = new Set(['superseded', 'database-kept']);

/** Rules 3 and 4: what became of every write. */
export class Writes {
  readonly all = new Map<number, Write>();
  /** Acknowledged ones that an unplanned promote had to do without. */
  lost = 0;
  /** The node whose database counts: the primary of the highest epoch. */
  authority: Machine;
  /** Every row that it holds. */
  #rows: Set<number>;
  readonly #choseAt = new Map<Machine, number>();
  readonly #announced: { machine: Machine; announcement: Announcement }[] = [];
  readonly #onceLost = new Set<number>();
  readonly #thrownAway = new Set<number>();
  readonly #facts: Facts;
  readonly #backups: BackupFiles;

  constructor(facts: Facts, backups: BackupFiles, authority: Machine) {
    this.#facts = facts;
    this.#backups = backups;
    this.authority = authority;
    this.#rows = new Set(authority.server.live?.rows);
  }

  announced(machine: Machine, announcement: Announcement): void {
    this.#announced.push({ machine, announcement });
  }

  choosing(machine: Machine): void {
    this.#choseAt.set(machine, this.#facts.timeline.now);
  }

  /** Somebody is about to throw the machine's volume away. */
  wiping(machine: Machine): void {
    for (const row of this.#rowsOf(machine)) this.#thrownAway.add(row);
  }

  #rowsOf({ server }: Machine): Set<number> {
    return new Set([...server.databases.values()].flatMap(({ rows }) => [...rows]));
  }

  /** A machine goes back to what it was once. What it took since is gone with it, like a volume. */
  rewinding(machine: Machine, act: () => void): void {
    const before = this.#rowsOf(machine);
    act();
    const after = this.#rowsOf(machine);
    for (const row of before) if (!after.has(row)) this.#thrownAway.add(row);
    if (machine === this.authority) this.#goBy(machine);
  }

  /** A node that had forgotten its role, or whose peer has, is the primary. */
  found(machine: Machine): void {
    if (machine !== this.authority) this.#goBy(machine);
  }

  #goBy(machine: Machine): void {
    const live = machine.server.live?.rows ?? new Set<number>();
    this.authority = machine;
    for (const row of this.#rows) if (!live.has(row)) this.#onceLost.add(row);
    this.#rows = new Set([...live].filter((row) => row > 0));
  }

  /** A person has said that what this primary holds now is the production data. */
  adopted(machine: Machine): void {
    if (machine !== this.authority) return;
    const held = this.#rows;
    this.#rows = new Set([...(machine.server.live?.rows ?? [])].filter((row) => row > 0));
    // What was given up may come back with the other node's branch, and go again with this one.
    for (const row of held) if (!this.#rows.has(row)) this.#onceLost.add(row);
  }

  wrote(machine: Machine, row: number): void {
    const isForeign =
      machine.app.startedBy === 'somebody else' && this.#facts.stateOf(machine)?.mode !== 'primary';
    const write = { row, at: this.#facts.timeline.now, machine, isAcknowledged: false, isForeign };
    this.all.set(row, write);
    if (machine === this.authority) this.#rows.add(row);
  }

  acknowledged(row: number): void {
    const write = this.all.get(row);
    if (write !== undefined) write.isAcknowledged = true;
  }

  /** Rule 3: what the new primary holds, against what the one before held. */
  promoted(machine: Machine, { promotion }: StateData, record: OperationRecord | undefined): void {
    const live = machine.server.live?.rows ?? new Set();
    const missing = [...this.#rows].filter((row) => !live.has(row));
    const choice = record?.steps.findLast(({ name }) => name === 'choose-backup')?.detail;
    const acknowledged = missing.filter((row) => this.all.get(row)?.isAcknowledged !== false);
    const before = this.authority;
    this.authority = machine;
    this.#rows = new Set([...live].filter((row) => row > 0));
    if (missing.length === 0 || before === machine) return;
    if (record?.command.type === 'take-back' && acknowledged.length > 0)
      this.#facts.violate(
        3,
        `${machine.name} took the role back from a takeover that was used: ${acknowledged.join(', ')} are missing`,
      );
    else if (promotion?.backup == null) this.lost += acknowledged.length;
    else if (choice?.includes('nothing is lost'))
      this.#facts.violate(
        3,
        `${machine.name} says "${choice}", but ${missing.join(', ')} are missing`,
      );
    else {
      // Who forces it has been told.
      const passedBy = record?.command.force === true ? (choice ?? '') : '';
      this.#checkLoss(machine, promotion.backup, missing, acknowledged.length, passedBy);
    }
  }

  #checkLoss(
    machine: Machine,
    id: string,
    missing: number[],
    acknowledged: number,
    passedBy: string,
  ): void {
    this.lost += acknowledged;
    const snapshot = this.#backups.snapshotOf(id);
    // What an earlier promote had left aside may have come back with another branch, and go again with this one.
    const early = missing.filter(
      (row) =>
        snapshot !== undefined &&
        !this.#onceLost.has(row) &&
        (this.all.get(row)?.at ?? 0) < snapshot,
    );
    for (const row of missing) this.#onceLost.add(row);
    if (early.length > 0)
      this.#facts.violate(
        3,
        `${machine.name} lost ${early.join(', ')}, older than ${id} it restored`,
      );
    const moment = this.#choseAt.get(machine) ?? this.#facts.timeline.now;
    const { newest, chosen } = this.#backups.choiceAt(machine, id, moment);
    if (newest === undefined || chosen === undefined) return;
    if (newestFirst(newest, chosen) < 0 && !passedBy.includes(`${newest.id} could not be restored`))
      this.#facts.violate(3, `${machine.name} promoted from ${id} though it has ${newest.id}`);
  }

  /** What must be true when all is well again. */
  checkEnd(): void {
    const everywhere = this.#everywhere();
    for (const { row, machine, isAcknowledged, isForeign } of this.all.values()) {
      if (!isAcknowledged || isForeign || this.#rows.has(row) || this.#thrownAway.has(row))
        continue;
      if (!everywhere.has(row))
        this.#facts.violate(
          3,
          `the acknowledged write ${row} of ${machine.name} is in no database any more`,
        );
      else if (!this.#isReported(row))
        this.#facts.violate(
          3,
          `the acknowledged write ${row} of ${machine.name} is kept aside and nobody was told`,
        );
    }
  }

  /** Whether a row is in a database of a dated name that people were told of. */
  #isReported(row: number): boolean {
    return this.#facts.machines.some(({ name: machine, server }) =>
      [...server.databases].some(
        ([name, { rows }]) =>
          rows.has(row) &&
          name.includes('_diverged_') &&
          this.#announced.some(
            ({ machine: teller, announcement: { event, message } }) =>
              teller.name === machine && KEPT.has(event) && message.includes(name),
          ),
      ),
    );
  }

  checkKept(contents: Contents, name: string, machine: Machine): void {
    const elsewhere = this.#everywhere(contents);
    for (const row of contents.rows) {
      const write = this.all.get(row);
      // What somebody has thrown away with its volume may come back for a while, from a backup.
      if (write === undefined || this.#thrownAway.has(row)) continue;
      if (!write.isAcknowledged || write.isForeign) continue;
      if (!elsewhere.has(row))
        this.#facts.violate(
          4,
          `${machine.name} dropped ${name}, the last that had the write ${row}`,
        );
    }
  }

  #everywhere(but?: Contents): Set<number> {
    const rows = new Set<number>();
    for (const { server } of this.#facts.machines)
      for (const contents of server.databases.values())
        if (contents !== but) for (const row of contents.rows) rows.add(row);
    return rows;
  }
}
