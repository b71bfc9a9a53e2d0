import { dirname } from 'node:path';
import { type Manifest, newestFirst } from '../../../src/domain/manifest.js';
import { rowsIn, SEEDS } from '../database.js';
import type { Machine } from '../machine.js';
import type { Facts } from './facts.js';

/** Rule 5: what is on the disks as backups. */
export class BackupFiles {
  /** A person has said that a new volume with its seeds is the production data from now on. */
  seedsAreData = false;
  /** When a content was last dumped; undefined when that was on a node that somebody had superseded already. */
  readonly #dumps = new Map<string, number | undefined>();
  /** The true content of each backup, as first committed, and when it was dumped. */
  readonly #backups = new Map<string, { content: string; snapshot: number | undefined }>();
  readonly #committedAt = new Map<string, number>();
  readonly #facts: Facts;

  constructor(facts: Facts) {
    this.#facts = facts;
  }

  dumped(content: string, isOfAuthority: boolean): void {
    this.#dumps.set(content, isOfAuthority ? this.#facts.timeline.now : undefined);
  }

  /** When the backup's content was dumped; undefined when that was on a superseded node. */
  snapshotOf(id: string): number | undefined {
    return this.#backups.get(id)?.snapshot;
  }

  /** What the machine has of the backup that was chosen, and the newest it had had by then. */
  choiceAt(
    machine: Machine,
    id: string,
    moment: number,
  ): { chosen: Manifest | undefined; newest: Manifest | undefined } {
    const [newest] = this.intact(machine).filter(
      (manifest) => (this.#committedAt.get(`${machine.name} ${manifest.id}`) ?? 0) < moment,
    );
    // It may have been restored before its file went rotten.
    return { newest, chosen: this.#manifestsOf(machine).find((manifest) => manifest.id === id) };
  }

  restored(machine: Machine, content: string, { id }: Manifest): void {
    if (this.#backups.get(id)?.content !== content)
      this.#facts.violate(5, `${machine.name} restored ${id}, which is not what was committed`);
  }

  removing(machine: Machine, path: string): void {
    if (!path.endsWith('.json') || !dirname(path).endsWith('/backups')) return;
    const manifests = this.#manifestsOf(machine).sort(newestFirst);
    const removed = manifests.find(({ id }) => path.endsWith(`/${id}.json`));
    if (removed === undefined) return;
    const rank = manifests.filter(({ lineage }) => lineage === removed.lineage).indexOf(removed);
    const keep = machine.node?.settings.retention.newest ?? 1;
    if (rank < keep)
      this.#facts.violate(
        5,
        `${machine.name} removed ${removed.id}, its number ${rank + 1} of ${keep}`,
      );
  }

  /** Rule 5: a manifest makes a backup exist, so at that moment everything about it must be true. */
  committed(machine: Machine, path: string, manifest: Manifest): void {
    const dump = path.replace(/\.json$/, '.dump');
    const file = machine.disk.files.get(dump);
    this.#committedAt.set(`${machine.name} ${manifest.id}`, this.#facts.timeline.now);
    if (file === undefined || !file.isSynced || machine.disk.digest(dump) !== manifest.sha256) {
      this.#facts.violate(5, `${machine.name} committed ${manifest.id}, whose dump is not whole`);
      return;
    }
    const content = file.content.toString();
    if (!this.seedsAreData && content.includes(`\n${SEEDS[0]}\n`))
      this.#facts.violate(5, `${machine.name} committed ${manifest.id}, a dump of seeds`);
    const known = this.#backups.get(manifest.id);
    if (known === undefined)
      this.#backups.set(manifest.id, { content, snapshot: this.#dumps.get(content) });
    else if (known.content !== content)
      this.#facts.violate(5, `${manifest.id} is one thing on one node and another on the other`);
  }

  /** The newest backup of the machine, when it was taken in this epoch, and the rows that it has. */
  newestOf(machine: Machine, epoch: number): { id: string; rows: number[] } | undefined {
    const [newest] = this.intact(machine);
    if (newest?.epoch !== epoch) return undefined;
    return { id: newest.id, rows: rowsIn(this.#backups.get(newest.id)?.content ?? '') };
  }

  /** What is really there, newest first. */
  intact(machine: Machine): Manifest[] {
    const directory = `/${machine.name}/backups`;
    return this.#manifestsOf(machine)
      .filter(({ id, sha256 }) => machine.disk.digest(`${directory}/${id}.dump`) === sha256)
      .sort(newestFirst);
  }

  /** Rule 5: what a node lists is there, as long as it was committed. */
  checkList(machine: Machine): void {
    const directory = `/${machine.name}/backups`;
    for (const { id, bytes } of machine.agent?.node?.backups.list() ?? []) {
      if (machine.disk.files.get(`${directory}/${id}.dump`)?.content.length !== bytes)
        this.#facts.violate(5, `${machine.name} lists ${id}, which is not whole`);
    }
  }

  #manifestsOf(machine: Machine): Manifest[] {
    const directory = `/${machine.name}/backups`;
    return machine.disk
      .list(directory)
      .filter((name) => name.endsWith('.json'))
      .map((name) => JSON.parse(machine.disk.text(`${directory}/${name}`) ?? '{}') as Manifest);
  }
}
