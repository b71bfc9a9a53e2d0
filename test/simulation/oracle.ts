import { dirname } from 'node:path';
import type { Manifest } from '../../src/domain/manifest.js';
import type { Marker } from '../../src/domain/marker.js';
import { hasEnded, type OperationRecord } from '../../src/domain/operation.js';
import type { Announcement } from '../../src/ports/notifier.js';
import type { StateData } from '../../src/state/node-state.js';
import { INCOMING, SEEDS } from './database.js';
import type { Machine } from './machine.js';
import type { Network } from './network.js';
import { BackupFiles } from './oracle/backup-files.js';
import { Evidence } from './oracle/evidence.js';
import { Facts } from './oracle/facts.js';
import { OneWriter, PATIENCE } from './oracle/one-writer.js';
import { Writes } from './oracle/writes.js';
import type { Timeline } from './timeline.js';

/**
 * Knows what really happened, and compares it with what must always hold. What it is told about is true on the
 * disks and in the databases, whatever the agents believe.
 */
export class Oracle {
  readonly writes: Writes;
  readonly writers: OneWriter;
  readonly backups: BackupFiles;
  readonly operations: { machine: Machine; record: OperationRecord }[] = [];
  readonly #facts: Facts;
  readonly #evidence: Evidence;
  readonly #claimed = new Map<number, Machine>();
  readonly #seededSince = new Map<Machine, number>();
  readonly #wiped = new Set<Machine>();
  #lostState: Machine | undefined;
  #rewound: Machine | undefined;
  readonly #restored = new Map<Machine, Set<number>>();

  constructor(
    timeline: Timeline,
    network: Network,
    machines: readonly [Machine, Machine],
    authority: Machine,
  ) {
    this.#facts = new Facts(timeline, network, machines);
    this.writers = new OneWriter(this.#facts);
    this.#evidence = new Evidence(this.#facts);
    this.backups = new BackupFiles(this.#facts);
    this.writes = new Writes(this.#facts, this.backups, authority);
  }

  get violations(): Facts['violations'] {
    return this.#facts.violations;
  }

  violate(rule: number, what: string): void {
    this.#facts.violate(rule, what);
  }

  stateOf(machine: Machine): StateData | undefined {
    return this.#facts.stateOf(machine);
  }

  // --- told by the drivers -----------------------------------------------------------------------------------

  wroteFile(machine: Machine, path: string, text: string): void {
    if (path.endsWith('/state.json')) this.#wroteState(machine, JSON.parse(text));
    else if (dirname(path).endsWith('/backups') && path.endsWith('.json'))
      this.backups.committed(machine, path, JSON.parse(text));
  }

  removingFile(machine: Machine, path: string): void {
    this.backups.removing(machine, path);
  }

  dumped(machine: Machine, text: string): void {
    this.backups.dumped(text, machine === this.writes.authority);
  }

  restored(machine: Machine, content: string, manifest: Manifest, rows: Set<number>): void {
    this.#restored.set(machine, rows);
    this.backups.restored(machine, content, manifest);
  }

  swapping(machine: Machine, marker: Marker): void {
    const incoming = machine.server.databases.get(INCOMING);
    if (this.#facts.isPrimary(machine))
      this.violate(4, `${machine.name} swapped its database while it was the primary`);
    if (incoming?.isWhole !== true || this.#restored.get(machine) !== incoming.rows)
      this.violate(
        4,
        `${machine.name} swapped in a restore that was not proven (${marker.backup})`,
      );
  }

  settingAside(machine: Machine): void {
    if (machine === this.writes.authority && machine !== this.#rewound)
      this.violate(4, `${machine.name} set its database aside though nobody has a higher epoch`);
  }

  dropping(machine: Machine, name: string): void {
    const contents = machine.server.databases.get(name);
    if (contents === undefined) return;
    if (name.includes('_diverged_')) this.violate(4, `${machine.name} dropped ${name}`);
    const { live } = machine.server;
    // Served, or proven: the swap lets nothing in that is not a whole and verified restore of a backup.
    if (live?.marker === undefined || (!live.marker.served && live.marker.backup === null))
      this.violate(4, `${machine.name} dropped ${name} before its successor was proven`);
    this.writes.checkKept(contents, name, machine);
  }

  startingApp(machine: Machine): void {
    const couldAsk = this.writers.starting(machine);
    if (couldAsk && machine === this.#rewound) this.#checkMemory(machine);
    const { live } = machine.server;
    const lineage = this.#facts.stateOf(machine)?.lineage;
    if (live?.marker === undefined || live.marker.lineage !== lineage)
      this.violate(1, `${machine.name} starts its app on a database without its lineage`);
  }

  announced(machine: Machine, announcement: Announcement): void {
    this.writes.announced(machine, announcement);
  }

  /** An agent is about to take a step. */
  reached(machine: Machine, operation: string, label: string): void {
    this.writers.reached(operation);
    if (label === 'promote.choose-backup') this.writes.choosing(machine);
  }

  /** An agent has taken a step. */
  passed(machine: Machine, operation: string, label: string): void {
    this.writers.passed(machine, operation, label);
    if (label.endsWith('.ask-peer')) this.#evidence.hasAsked(machine);
  }

  ended(machine: Machine, record: OperationRecord): void {
    this.operations.push({ machine, record: structuredClone(record) });
    this.#checkEnding(machine, record);
    this.backups.checkList(machine);
  }

  /** Somebody is about to throw the machine's volume away. */
  wiping(machine: Machine): void {
    this.#wiped.add(machine);
    this.writes.wiping(machine);
  }

  mayLoseState(machine: Machine): boolean {
    return this.#lostState === undefined || this.#lostState === machine;
  }

  hasLostState(machine: Machine): boolean {
    return this.#lostState === machine;
  }

  /** The machine's state and its copy are gone. */
  losingState(machine: Machine): void {
    this.#lostState = machine;
    this.#facts.states.delete(machine);
  }

  /** The machine goes back to what it was once. */
  rewinding(machine: Machine, act: () => void): void {
    this.writes.rewinding(machine, act);
    this.losingState(machine);
    this.#rewound = machine;
    const text = machine.disk.text(`/${machine.name}/state.json`);
    if (text !== undefined) this.#facts.states.set(machine, JSON.parse(text));
    const found = this.#facts.machines.filter((each) => this.#facts.isPrimary(each));
    if (found.length === 1) this.writes.found(found[0] as Machine);
  }

  isRewound(machine: Machine): boolean {
    return this.#rewound === machine;
  }

  isWiped(machine: Machine): boolean {
    return this.#wiped.has(machine);
  }

  // --- checks ------------------------------------------------------------------------------------------------

  /** After every event. */
  check(): void {
    for (const machine of this.#facts.machines) this.#checkData(machine);
    this.writers.check();
    this.#evidence.check();
  }

  /** What must be true when all is well again. */
  checkEnd(): void {
    for (const machine of this.#facts.machines) {
      this.backups.checkList(machine);
      for (const record of machine.node?.runner.list() ?? [])
        if (!hasEnded(record) && record.id !== machine.node?.runner.current?.id)
          this.violate(7, `${record.id} of ${machine.name} is written down as running for ever`);
    }
    this.writes.checkEnd();
  }

  /** Rule 1: what a primary serves is the lineage, and never the seeds. */
  #checkData(machine: Machine): void {
    const { live } = machine.server;
    if (live?.marker?.served === false && machine.server.takesWrites)
      this.violate(1, `${machine.name} lets anybody write to a restore that was not opened yet`);
    const isSeeded = live?.rows.has(SEEDS[0] as number) === true;
    if (!isSeeded || !machine.takesWrites || !this.#facts.isPrimary(machine)) {
      this.#seededSince.delete(machine);
      return;
    }
    if (this.backups.seedsAreData) return;
    if (!this.#wiped.has(machine)) this.violate(1, `${machine.name} serves seeds as a primary`);
    // Somebody has made its volume anew and started its app: that is for the agent to notice.
    const { now } = this.#facts.timeline;
    const since = this.#seededSince.get(machine) ?? now;
    this.#seededSince.set(machine, machine.agent?.isListening ? since : now);
    if (now - since > 2 * PATIENCE)
      this.violate(1, `${machine.name} has served the seeds of a new volume for a minute`);
  }

  /** Rule 3: who has gone back in time serves nobody as long as the other node has what it has forgotten. */
  #checkMemory(machine: Machine): void {
    const peer = this.#facts.machines.find((other) => other !== machine) as Machine;
    const newest = this.backups.newestOf(peer, this.#facts.epochOf(machine));
    const live = machine.server.live?.rows ?? new Set();
    const forgotten = (newest?.rows ?? []).filter((row) => row > 0 && !live.has(row));
    if (forgotten.length > 0)
      this.violate(
        3,
        `${machine.name} serves though ${newest?.id} of ${peer.name} has ${forgotten.join(', ')}, which it has forgotten`,
      );
  }

  #wroteState(machine: Machine, data: StateData): void {
    const before = this.#facts.stateOf(machine);
    this.#facts.states.set(machine, data);
    if (before !== undefined && data.epoch < before.epoch)
      this.violate(7, `${machine.name} went back from epoch ${before.epoch} to ${data.epoch}`);
    if (data.mode === 'primary' && before?.lineage != null && data.lineage !== before.lineage)
      this.#adopted(machine);
    const isNewEpoch = data.epoch > (before?.epoch ?? 0);
    const isHighest = this.#facts.machines.every((each) => this.#facts.epochOf(each) <= data.epoch);
    if (this.#rewound !== undefined && data.mode === 'primary' && !isNewEpoch && isHighest)
      this.writes.found(machine);
    if (isNewEpoch && data.mode !== 'primary' && !this.#claimed.has(data.epoch))
      this.violate(2, `${machine.name} gave way to epoch ${data.epoch}, which nobody has claimed`);
    if (data.mode !== 'primary' || !isNewEpoch) return;
    const other = this.#claimed.get(data.epoch);
    if (other === machine && this.#lostState === machine) return;
    if (other !== undefined)
      this.violate(7, `epoch ${data.epoch} was claimed by ${other.name} and by ${machine.name}`);
    this.#claimed.set(data.epoch, machine);
    // The first state of the node that is born a primary.
    if (data.promotion === null) return;
    const record = machine.agent?.node?.runner.current;
    this.#facts.promotions.set(machine, {
      epoch: data.epoch,
      at: this.#facts.timeline.now,
      record: record && structuredClone(record),
    });
    this.#evidence.committed(machine);
    if (data.epoch >= Math.max(...this.#claimed.keys()))
      this.writes.promoted(machine, data, record);
  }

  /** A person has said that what this primary holds now is the production data, seeds and all. */
  #adopted(machine: Machine): void {
    this.backups.seedsAreData = true;
    this.writes.adopted(machine);
  }

  /** Rule 3: the report of an operation says what it cost; rule 7: how it ended. */
  #checkEnding(machine: Machine, { id, state, error, result }: OperationRecord): void {
    if (state !== 'done' && (error === null || error.code === '' || error.remedy === ''))
      this.violate(7, `${id} of ${machine.name} is ${state} and does not say why`);
    if (error?.code === 'internal' && !error.message.startsWith('injected'))
      this.violate(7, `${id} of ${machine.name} failed unforeseen: ${error.message}`);
    if (
      result !== null &&
      'loss' in result &&
      state === 'done' &&
      result.loss === null &&
      result.backup !== null
    )
      this.violate(3, `${id} of ${machine.name} does not say what was lost`);
  }
}
