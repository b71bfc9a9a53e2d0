import { join } from 'node:path';
import type { OperationRecord } from '../domain/operation.js';
import { parseJson } from '../domain/parse-json.js';
import type { Disk } from '../ports/disk.js';

/** Operations of each kind that are kept: two weeks of backups every half hour. */
const KEPT = 700;

/** The node's history. Each operation has one file, which is replaced at every step, so the last step survives a crash. */
export class Journal {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #records = new Map<string, OperationRecord>();

  private constructor(disk: Disk, directory: string) {
    this.#disk = disk;
    this.#directory = directory;
  }

  static async open(disk: Disk, stateDirectory: string): Promise<Journal> {
    const journal = new Journal(disk, join(stateDirectory, 'operations'));
    for (const name of (await disk.list(journal.#directory)).sort()) {
      if (!name.endsWith('.json')) continue;
      const text = await disk.read(join(journal.#directory, name));
      // Files are replaced as a whole. One that does not parse was damaged from outside and is skipped: no state is
      // lost.
      const record = parseJson(text ?? '') as OperationRecord | undefined;
      if (record !== undefined) journal.#records.set(record.id, record);
    }
    return journal;
  }

  get(id: string): OperationRecord | undefined {
    return this.#records.get(id);
  }

  /** Newest first. */
  list(): OperationRecord[] {
    return [...this.#records.values()].sort(
      (a, b) => b.startedAt.localeCompare(a.startedAt) || b.id.localeCompare(a.id),
    );
  }

  async save(record: OperationRecord): Promise<void> {
    this.#records.set(record.id, record);
    await this.#disk.write(this.#path(record.id), JSON.stringify(record, null, 2));
  }

  /** Forgets the oldest operations beyond the kept number of their kind. */
  async prune(): Promise<void> {
    const kept = new Map<string, number>();
    for (const { id, kind } of this.list()) {
      const number = (kept.get(kind) ?? 0) + 1;
      kept.set(kind, number);
      if (number <= KEPT) continue;
      await this.#disk.remove(this.#path(id));
      this.#records.delete(id);
    }
  }

  #path(id: string): string {
    return join(this.#directory, `${id}.json`);
  }
}
