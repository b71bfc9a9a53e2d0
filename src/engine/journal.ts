import { join } from 'node:path';
import { type OperationRecord, operationRecordSchema } from '../domain/operation.js';
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

  /**
   * Reads the history. A file that is not a record was damaged from outside, because files are replaced as a whole. It
   * is set aside, and `setAside` is told its new path: the role is not in the journal, so nothing depends on it.
   */
  static async open(
    disk: Disk,
    stateDirectory: string,
    setAside: (path: string) => void = () => {},
  ): Promise<Journal> {
    const journal = new Journal(disk, join(stateDirectory, 'operations'));
    for (const name of (await disk.list(journal.#directory)).sort()) {
      if (!name.endsWith('.json')) continue;
      const path = join(journal.#directory, name);
      const record = readRecord(await disk.read(path).catch(() => undefined));
      if (record !== undefined && `${record.id}.json` === name) {
        journal.#records.set(record.id, record);
        continue;
      }
      const aside = `${path}.unreadable`;
      // A folder, or a disk that takes no changes: it is skipped at every start.
      await disk.rename(path, aside).catch(() => {});
      setAside(aside);
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

  /** Keeps what an error quotes from the database in a file that only root reads. Resolves to its path. */
  async keepRows(id: string, text: string): Promise<string> {
    await this.#disk.write(this.#rowsPath(id), `${text}\n`);
    return this.#rowsPath(id);
  }

  /** Forgets the oldest operations beyond the kept number of their kind. */
  async prune(): Promise<void> {
    const kept = new Map<string, number>();
    for (const { id, kind } of this.list()) {
      const number = (kept.get(kind) ?? 0) + 1;
      kept.set(kind, number);
      if (number <= KEPT) continue;
      await this.#disk.remove(this.#path(id));
      await this.#disk.remove(this.#rowsPath(id));
      this.#records.delete(id);
    }
  }

  #rowsPath(id: string): string {
    return join(this.#directory, `${id}.rows`);
  }

  #path(id: string): string {
    return join(this.#directory, `${id}.json`);
  }
}

/** Undefined when the text is no record. What a later version has added to a record is kept. */
const readRecord = (text: string | undefined): OperationRecord | undefined => {
  const json = parseJson(text ?? '');
  return operationRecordSchema.safeParse(json).success ? (json as OperationRecord) : undefined;
};
