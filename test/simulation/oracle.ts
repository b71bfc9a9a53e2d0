import { dirname } from 'node:path';
import type { Announcement } from '../../src/ports/notifier.js';
import { type Manifest, newestFirst } from '../../src/pure/manifest.js';
import type { Marker } from '../../src/pure/marker.js';
import { hasEnded, type OperationRecord } from '../../src/pure/operation.js';
import type { StateData } from '../../src/state/node-state.js';
import { type Contents, INCOMING, SEEDS } from './database.js';
import type { Machine } from './machine.js';
import type { Network } from './network.js';
import type { Timeline } from './timeline.js';

export interface Violation {
  /** Number of the rule in DESIGN.md. */
  rule: number;
  what: string;
  /** Milliseconds since the beginning. */
  at: number;
}

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

/** Both machines take writes. */
interface Episode {
  why: string;
  /** The one with the lower epoch, which has to go. */
  loser: Machine;
  beganAt: number;
}

/** How a node came to its latest role as primary. */
interface Promotion {
  epoch: number;
  at: number;
  record: OperationRecord | undefined;
}

/** How long two that can talk to each other may take to end what a cut link had let happen. Milliseconds. */
const PATIENCE = 30_000;
/** An agent that runs has asked its peer at least once in this time, CHECK_INTERVAL and the answer's way. Milliseconds. */
const ASKS_WITHIN = 7_000;
/** Messages that take longer than this may miss a deadline: nobody can tell that from silence. Milliseconds. */
const SLOW = 1_000;

/**
 * Knows what really happened, and compares it with what must always hold. What it is told about is true on the
 * disks and in the databases, whatever the agents believe.
 */
export class Oracle {
  readonly violations: Violation[] = [];
  /** Cases in which both took writes that a policy allows, by their reason. */
  readonly documented = new Map<string, number>();
  readonly writes = new Map<number, Write>();
  readonly operations: { machine: Machine; record: OperationRecord }[] = [];
  /** Acknowledged writes that an unplanned promote had to do without. */
  lost = 0;
  authority: Machine | undefined;
  readonly #timeline: Timeline;
  readonly #network: Network;
  readonly #machines: readonly [Machine, Machine];
  readonly #states = new Map<Machine, StateData>();
  readonly #promotions = new Map<Machine, Promotion>();
  readonly #claimed = new Map<number, Machine>();
  /** When a content was last dumped; undefined when that was on a node that somebody had superseded already. */
  readonly #dumps = new Map<string, number | undefined>();
  /** The true content of each backup, as first committed, and when it was dumped. */
  readonly #backups = new Map<string, { content: string; snapshot: number | undefined }>();
  readonly #committedAt = new Map<string, number>();
  readonly #reachSince = new Map<Machine, number>();
  /** When an agent last had its app started; undefined when it could not have asked its peer then. */
  readonly #startedAt = new Map<Machine, number | undefined>();
  /** From when on an operation has yet to ask its peer: it begins, or its database is ready and it has to ask once more. */
  readonly #askedAt = new Map<string, number>();
  readonly #choseAt = new Map<Machine, number>();
  readonly #announced: { machine: Machine; at: number; announcement: Announcement }[] = [];
  readonly #onceLost = new Set<number>();
  readonly #seededSince = new Map<Machine, number>();
  /** A person has said that a new volume with its seeds is the production data from now on. */
  #seedsAreData = false;
  readonly #thrownAway = new Set<number>();
  readonly #wiped = new Set<Machine>();
  readonly #restored = new Map<Machine, Set<number>>();
  /** Every row that the primary of the highest epoch holds. */
  #rows = new Set<number>();
  #episode: Episode | undefined;
  #contactSince: number | undefined = 0;
  readonly #loose = new Map<Machine, number>();

  constructor(
    timeline: Timeline,
    network: Network,
    machines: readonly [Machine, Machine],
    authority: Machine,
  ) {
    this.#timeline = timeline;
    this.#network = network;
    this.#machines = machines;
    this.authority = authority;
    this.#rows = new Set(authority.server.live?.rows);
  }

  violate(rule: number, what: string): void {
    const { now } = this.#timeline;
    // One is enough: what follows is often a consequence of it.
    if (this.violations.length < 5) this.violations.push({ rule, what, at: Math.round(now) });
  }

  stateOf(machine: Machine): StateData | undefined {
    return this.#states.get(machine);
  }

  // --- told by the drivers -----------------------------------------------------------------------------------

  wroteFile(machine: Machine, path: string, text: string): void {
    if (path.endsWith('/state.json')) this.#wroteState(machine, JSON.parse(text));
    else if (dirname(path).endsWith('/backups')) this.#committed(machine, path, JSON.parse(text));
  }

  removingFile(machine: Machine, path: string): void {
    if (!path.endsWith('.json') || !dirname(path).endsWith('/backups')) return;
    const manifests = this.#manifestsOf(machine).sort(newestFirst);
    const removed = manifests.find(({ id }) => path.endsWith(`/${id}.json`));
    if (removed === undefined) return;
    const rank = manifests.filter(({ lineage }) => lineage === removed.lineage).indexOf(removed);
    const keep = machine.node?.settings.backupKeep ?? 1;
    if (rank < keep)
      this.violate(5, `${machine.name} removed ${removed.id}, its number ${rank + 1} of ${keep}`);
  }

  dumped(machine: Machine, text: string): void {
    this.#dumps.set(text, machine === this.authority ? this.#timeline.now : undefined);
  }

  restored(machine: Machine, content: string, manifest: Manifest, rows: Set<number>): void {
    this.#restored.set(machine, rows);
    if (this.#backups.get(manifest.id)?.content !== content)
      this.violate(5, `${machine.name} restored ${manifest.id}, which is not what was committed`);
  }

  swapping(machine: Machine, marker: Marker): void {
    const incoming = machine.server.databases.get(INCOMING);
    if (this.#isPrimary(machine))
      this.violate(4, `${machine.name} swapped its database while it was the primary`);
    if (incoming?.isWhole !== true || this.#restored.get(machine) !== incoming.rows)
      this.violate(
        4,
        `${machine.name} swapped in a restore that was not proven (${marker.backup})`,
      );
  }

  settingAside(machine: Machine): void {
    if (machine === this.authority)
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
    this.#checkKept(contents, name, machine);
  }

  startingApp(machine: Machine): void {
    const { live } = machine.server;
    const { now } = this.#timeline;
    const since = this.#reachSince.get(machine) ?? now;
    // Every start of an agent begins with a question.
    const couldAsk = now - since > ASKS_WITHIN || since <= (machine.agent?.startedAt ?? 0);
    this.#startedAt.set(machine, couldAsk ? now : undefined);
    const lineage = this.#states.get(machine)?.lineage;
    if (live?.marker === undefined || live.marker.lineage !== lineage)
      this.violate(1, `${machine.name} starts its app on a database without its lineage`);
  }

  announced(machine: Machine, announcement: Announcement): void {
    this.#announced.push({ machine, at: this.#timeline.now, announcement });
  }

  /** An agent is about to take a step. */
  reached(machine: Machine, operation: string, label: string): void {
    const { now } = this.#timeline;
    if (!this.#askedAt.has(operation)) this.#askedAt.set(operation, now);
    if (label === 'promote.choose-backup') this.#choseAt.set(machine, now);
  }

  /** An agent has taken a step. */
  passed(operation: string, label: string): void {
    if (label === 'promote.swap') this.#askedAt.set(operation, this.#timeline.now);
  }

  ended(machine: Machine, record: OperationRecord): void {
    this.operations.push({ machine, record: structuredClone(record) });
    this.#checkEnding(machine, record);
    this.#checkList(machine);
  }

  /** Somebody is about to throw the machine's volume away. */
  wiping(machine: Machine): void {
    this.#wiped.add(machine);
    for (const { rows } of machine.server.databases.values())
      for (const row of rows) this.#thrownAway.add(row);
  }

  isWiped(machine: Machine): boolean {
    return this.#wiped.has(machine);
  }

  // --- told by the clients -----------------------------------------------------------------------------------

  wrote(machine: Machine, row: number): void {
    const isForeign =
      machine.app.startedBy === 'somebody else' && this.#states.get(machine)?.mode !== 'primary';
    const write = { row, at: this.#timeline.now, machine, isAcknowledged: false, isForeign };
    this.writes.set(row, write);
    if (machine === this.authority) this.#rows.add(row);
  }

  acknowledged(row: number): void {
    const write = this.writes.get(row);
    if (write !== undefined) write.isAcknowledged = true;
  }

  // --- after every event -------------------------------------------------------------------------------------

  check(): void {
    const [a, b] = this.#machines;
    const isA = a.takesWrites;
    const isB = b.takesWrites;
    this.#checkData(a);
    this.#checkData(b);
    this.#checkContact(a, b);
    if (isA && isB) this.#checkEpisode();
    else this.#episode = undefined;
    this.#checkGuard(a, isA);
    this.#checkGuard(b, isB);
  }

  /** Rule 1: what a primary serves is the lineage, and never the seeds. */
  #checkData(machine: Machine): void {
    const { live } = machine.server;
    if (live?.marker?.served === false && machine.server.takesWrites)
      this.violate(1, `${machine.name} lets anybody write to a restore that was not opened yet`);
    const isSeeded = live?.rows.has(SEEDS[0] as number) === true;
    if (!isSeeded || !machine.takesWrites || !this.#isPrimary(machine)) {
      this.#seededSince.delete(machine);
      return;
    }
    if (this.#seedsAreData) return;
    if (!this.#wiped.has(machine)) this.violate(1, `${machine.name} serves seeds as a primary`);
    // Somebody has made its volume anew and started its app: that is for the agent to notice.
    const { now } = this.#timeline;
    const since = this.#seededSince.get(machine) ?? now;
    this.#seededSince.set(machine, machine.agent?.isListening ? since : now);
    if (now - since > 2 * PATIENCE)
      this.violate(1, `${machine.name} has served the seeds of a new volume for a minute`);
  }

  /** Since when each could have asked its peer, and both could have talked, without a hitch. */
  #checkContact(a: Machine, b: Machine): void {
    const { now } = this.#timeline;
    const isOpen =
      this.#network.lossRate === 0 &&
      this.#network.slowest < SLOW &&
      this.#network.isOpenBothWays(a.name, b.name) &&
      !a.disk.isFull &&
      !b.disk.isFull;
    const listens = (machine: Machine) => machine.agent?.isListening === true;
    for (const [machine, peer] of [
      [a, b],
      [b, a],
    ] as const) {
      if (!isOpen || !listens(peer)) this.#reachSince.delete(machine);
      else if (!this.#reachSince.has(machine)) this.#reachSince.set(machine, now);
    }
    if (!isOpen || !listens(a) || !listens(b)) this.#contactSince = undefined;
    else this.#contactSince ??= now;
  }

  /** Rule 2: two that take writes are one too many, unless a policy says otherwise; and not for long. */
  #checkEpisode(): void {
    const { now } = this.#timeline;
    if (this.#episode === undefined) {
      this.#episode = this.#newEpisode();
      const { why } = this.#episode;
      if (why.startsWith('!')) this.violate(2, why.slice(1));
      else this.documented.set(why, (this.documented.get(why) ?? 0) + 1);
    }
    const { beganAt, why } = this.#episode;
    const since = Math.max(beganAt, this.#contactSince ?? now);
    if (now - since <= PATIENCE) return;
    this.violate(2, `both take writes for ${Math.round((now - since) / 1_000)} s (${why})`);
    this.#episode.beganAt = Number.POSITIVE_INFINITY;
  }

  #newEpisode(): Episode {
    const [a, b] = this.#machines;
    // A superseded node has heard the other one's epoch: then they share it, and it is the standby of the two.
    const isA =
      this.#epochOf(a) === this.#epochOf(b)
        ? this.#states.get(a)?.mode !== 'standby'
        : this.#epochOf(a) > this.#epochOf(b);
    const [winner, loser] = isA ? [a, b] : [b, a];
    return { why: this.#whyBoth(winner, loser), loser, beganAt: this.#timeline.now };
  }

  /** Why both take writes; with a leading "!" when nothing allows it. */
  #whyBoth(winner: Machine, loser: Machine): string {
    if (loser.app.startedBy === 'somebody else')
      return 'somebody else started the app of a node that may not serve';
    if (this.#states.get(winner)?.mode === 'standby')
      return `!${winner.name} takes writes as a standby`;
    const promotion = this.#promotions.get(winner);
    if (promotion === undefined) return `!${loser.name} takes writes beside ${winner.name}`;
    const { record } = promotion;
    const asked = this.#askedAt.get(record?.id ?? '') ?? promotion.at;
    const couldTalk =
      this.#contactSince !== undefined &&
      this.#contactSince < asked &&
      this.#network.lastFailure < asked;
    const fence = record?.steps.findLast(({ name }) => name === 'fence');
    const how = `${winner.name} at epoch ${promotion.epoch} by ${record?.id}, ${loser.name} at ${this.#epochOf(loser)}, fence: ${fence?.detail}`;
    if (couldTalk) return `!both take writes though they could talk in time: ${how}`;
    if ((this.#startedAt.get(loser) ?? 0) > promotion.at)
      return `!${loser.name} has started its app though its peer could have told it not to: ${how}`;
    if (record?.command.type === 'take-over')
      return `!${loser.name} takes writes after it has handed over: ${how}`;
    const force = record?.command.force === true;
    if (fence === undefined)
      return force ? 'a promise was taken back by force' : `!no fence: ${how}`;
    if (fence.detail?.startsWith('could not be fenced') !== true)
      return `!${loser.name} takes writes though it was fenced (${fence.detail}): ${how}`;
    if (force) return 'forced, and the peer could not be fenced';
    const witness = winner.node?.settings.witnessUrl !== undefined;
    return `${String(record?.command.source)}, ${witness ? 'the witness saw no service' : 'no witness'}, and the peer could not be fenced`;
  }

  /** Rule 8: an app that somebody started where it may not run is stopped as soon as an agent is there to do it. */
  #checkGuard(machine: Machine, takesWrites: boolean): void {
    const { now } = this.#timeline;
    const mode = this.#states.get(machine)?.mode;
    const isLoose =
      takesWrites &&
      mode !== 'primary' &&
      machine.agent?.isListening === true &&
      machine.health.slowness === 1 &&
      machine.health.sickness === 0 &&
      !machine.disk.isFull;
    if (!isLoose) {
      this.#loose.delete(machine);
      return;
    }
    const since = this.#loose.get(machine) ?? now;
    this.#loose.set(machine, since);
    if (now - since <= PATIENCE) return;
    this.#loose.set(machine, Number.POSITIVE_INFINITY);
    this.violate(8, `${machine.name} is ${mode} and its app has taken writes for 30 s`);
  }

  // --- state -------------------------------------------------------------------------------------------------

  #wroteState(machine: Machine, data: StateData): void {
    const before = this.#states.get(machine);
    this.#states.set(machine, data);
    if (before !== undefined && data.epoch < before.epoch)
      this.violate(7, `${machine.name} went back from epoch ${before.epoch} to ${data.epoch}`);
    if (data.mode === 'primary' && before?.lineage != null && data.lineage !== before.lineage)
      this.#adopted(machine);
    if (data.mode !== 'primary' || data.epoch <= (before?.epoch ?? 0)) return;
    const other = this.#claimed.get(data.epoch);
    if (other !== undefined)
      this.violate(7, `epoch ${data.epoch} was claimed by ${other.name} and by ${machine.name}`);
    this.#claimed.set(data.epoch, machine);
    // The first state of the node that is born a primary.
    if (data.promotion === null) return;
    const record = machine.agent?.node?.runner.current;
    this.#promotions.set(machine, {
      epoch: data.epoch,
      at: this.#timeline.now,
      record: record && structuredClone(record),
    });
    if (data.epoch >= Math.max(...this.#claimed.keys())) this.#promoted(machine, data, record);
  }

  #adopted(machine: Machine): void {
    this.#seedsAreData = true;
    if (machine !== this.authority) return;
    this.#rows = new Set([...(machine.server.live?.rows ?? [])].filter((row) => row > 0));
  }

  /** Rule 3: what the new primary holds, against what the one before held. */
  #promoted(machine: Machine, { promotion }: StateData, record: OperationRecord | undefined): void {
    const live = machine.server.live?.rows ?? new Set();
    const missing = [...this.#rows].filter((row) => !live.has(row));
    const choice = record?.steps.findLast(({ name }) => name === 'choose-backup')?.detail;
    const acknowledged = missing.filter((row) => this.writes.get(row)?.isAcknowledged !== false);
    const before = this.authority;
    this.authority = machine;
    this.#rows = new Set([...live].filter((row) => row > 0));
    if (missing.length === 0 || before === machine) return;
    if (promotion?.backup == null) this.lost += acknowledged.length;
    else if (choice?.includes('nothing is lost'))
      this.violate(3, `${machine.name} says "${choice}", but ${missing.join(', ')} are missing`);
    else this.#checkLoss(machine, promotion.backup, missing, acknowledged.length);
  }

  #checkLoss(machine: Machine, id: string, missing: number[], acknowledged: number): void {
    this.lost += acknowledged;
    const snapshot = this.#backups.get(id)?.snapshot;
    // What an earlier promote had left aside may have come back with another branch, and go again with this one.
    const early = missing.filter(
      (row) =>
        snapshot !== undefined &&
        !this.#onceLost.has(row) &&
        (this.writes.get(row)?.at ?? 0) < snapshot,
    );
    for (const row of missing) this.#onceLost.add(row);
    if (early.length > 0)
      this.violate(3, `${machine.name} lost ${early.join(', ')}, older than ${id} it restored`);
    const before = this.#choseAt.get(machine) ?? this.#timeline.now;
    const [newest] = this.intactBackups(machine).filter(
      (manifest) => (this.#committedAt.get(`${machine.name} ${manifest.id}`) ?? 0) < before,
    );
    // It may have been restored before its file went rotten.
    const chosen = this.#manifestsOf(machine).find((manifest) => manifest.id === id);
    if (newest !== undefined && chosen !== undefined && newestFirst(newest, chosen) < 0)
      this.violate(3, `${machine.name} promoted from ${id} though it has ${newest.id}`);
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

  // --- backups -----------------------------------------------------------------------------------------------

  /** Rule 5: a manifest makes a backup exist, so at that moment everything about it must be true. */
  #committed(machine: Machine, path: string, manifest: Manifest): void {
    const dump = path.replace(/\.json$/, '.dump');
    const file = machine.disk.files.get(dump);
    this.#committedAt.set(`${machine.name} ${manifest.id}`, this.#timeline.now);
    if (file === undefined || !file.isSynced || machine.disk.digest(dump) !== manifest.sha256) {
      this.violate(5, `${machine.name} committed ${manifest.id}, whose dump is not whole`);
      return;
    }
    const content = file.content.toString();
    if (!this.#seedsAreData && content.includes(`\n${SEEDS[0]}\n`))
      this.violate(5, `${machine.name} committed ${manifest.id}, a dump of seeds`);
    const known = this.#backups.get(manifest.id);
    if (known === undefined)
      this.#backups.set(manifest.id, { content, snapshot: this.#dumps.get(content) });
    else if (known.content !== content)
      this.violate(5, `${manifest.id} is one thing on one node and another on the other`);
  }

  #manifestsOf(machine: Machine): Manifest[] {
    const directory = `/${machine.name}/backups`;
    return machine.disk
      .list(directory)
      .filter((name) => name.endsWith('.json'))
      .map((name) => JSON.parse(machine.disk.text(`${directory}/${name}`) ?? '{}') as Manifest);
  }

  /** What is really there, newest first. */
  intactBackups(machine: Machine): Manifest[] {
    const directory = `/${machine.name}/backups`;
    return this.#manifestsOf(machine)
      .filter(({ id, sha256 }) => machine.disk.digest(`${directory}/${id}.dump`) === sha256)
      .sort(newestFirst);
  }

  /** Rule 5: what a node lists is there, as long as it was committed. */
  #checkList(machine: Machine): void {
    const directory = `/${machine.name}/backups`;
    for (const { id, bytes } of machine.agent?.node?.backups.list() ?? []) {
      if (machine.disk.files.get(`${directory}/${id}.dump`)?.content.length !== bytes)
        this.violate(5, `${machine.name} lists ${id}, which is not whole`);
    }
  }

  // --- at the end --------------------------------------------------------------------------------------------

  /** What must be true when all is well again. */
  checkEnd(): void {
    for (const machine of this.#machines) {
      this.#checkList(machine);
      for (const record of machine.node?.runner.list() ?? [])
        if (!hasEnded(record) && record.id !== machine.node?.runner.current?.id)
          this.violate(7, `${record.id} of ${machine.name} is written down as running for ever`);
    }
    const everywhere = this.#everywhere();
    for (const { row, machine, isAcknowledged, isForeign } of this.writes.values()) {
      if (!isAcknowledged || isForeign || this.#rows.has(row) || this.#thrownAway.has(row))
        continue;
      if (!everywhere.has(row))
        this.violate(
          3,
          `the acknowledged write ${row} of ${machine.name} is in no database any more`,
        );
      else if (!this.#isReported(row))
        this.violate(
          3,
          `the acknowledged write ${row} of ${machine.name} is kept aside and nobody was told`,
        );
    }
  }

  /** Whether a row is in a database of a dated name that people were told of. */
  #isReported(row: number): boolean {
    return this.#machines.some(({ name: machine, server }) =>
      [...server.databases].some(
        ([name, { rows }]) =>
          rows.has(row) &&
          name.includes('_diverged_') &&
          this.#announced.some(
            ({ machine: teller, announcement: { event, message } }) =>
              teller.name === machine && event === 'superseded' && message.includes(name),
          ),
      ),
    );
  }

  #checkKept(contents: Contents, name: string, machine: Machine): void {
    const elsewhere = this.#everywhere(contents);
    for (const row of contents.rows) {
      const write = this.writes.get(row);
      if (write === undefined || !write.isAcknowledged || write.isForeign) continue;
      if (!elsewhere.has(row))
        this.violate(4, `${machine.name} dropped ${name}, the last that had the write ${row}`);
    }
  }

  #everywhere(but?: Contents): Set<number> {
    const rows = new Set<number>();
    for (const { server } of this.#machines)
      for (const contents of server.databases.values())
        if (contents !== but) for (const row of contents.rows) rows.add(row);
    return rows;
  }

  #isPrimary(machine: Machine): boolean {
    return this.#states.get(machine)?.mode === 'primary';
  }

  #epochOf(machine: Machine): number {
    return this.#states.get(machine)?.epoch ?? 0;
  }
}
