import { dirname, join } from 'node:path';
import { z } from 'zod';
import { backupIdSchema } from '../domain/backup-id.js';
import { Refused } from '../domain/errors.js';
import { parseJsonAs } from '../domain/parse-json.js';
import type { Disk } from '../ports/disk.js';

/** The marker of the folder. An agent before this one ignores it. */
const MARKER = '.coldspare';
const UPLOAD = /^(.+)\.\d+\.part$/;
const DUMP = /^(.+)\.dump$/;

const markerSchema = z.object({ unfinished: z.array(backupIdSchema) });

/**
 * Which files of BACKUP_DIR are ours to remove (H46). A name alone proves nothing: the dumps of other programs are named
 * like ours. A marker says that an agent uses the folder, and which dumps an agent was writing or removing.
 */
export class OwnFiles {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #unfinished: Set<string>;
  /** No agent has used the folder before: everything in it is somebody else's. */
  readonly #isNew: boolean;

  private constructor(disk: Disk, path: string, unfinished: readonly string[] | undefined) {
    this.#disk = disk;
    this.#path = path;
    this.#unfinished = new Set(unfinished);
    this.#isNew = unfinished === undefined;
  }

  static async open(disk: Disk, directory: string): Promise<OwnFiles> {
    const path = join(directory, MARKER);
    const marker = parseJsonAs(markerSchema, await disk.read(path));
    const own = new OwnFiles(disk, path, marker?.unfinished);
    // On a full disk the marker is written by the first backup.
    if (own.#isNew) await own.#save().catch(() => {});
    return own;
  }

  /** Removes those of the files `names` that a crash has left behind. */
  async removeLeftovers(names: readonly string[]): Promise<void> {
    if (this.#isNew) return;
    for (const name of names)
      if (this.#isLeftover(name, names)) await this.#disk.remove(join(dirname(this.#path), name));
    if (this.#unfinished.size === 0) return;
    this.#unfinished.clear();
    await this.#save().catch(() => {});
  }

  /** The dump of this backup is about to be written or removed. */
  async begin(id: string): Promise<void> {
    this.#unfinished.add(id);
    await this.#save();
  }

  async end(id: string): Promise<void> {
    this.#unfinished.delete(id);
    // It is tried again with the next backup. Until then a start finds the backup whole, or nothing.
    await this.#save().catch(() => {});
  }

  /**
   * A dump without a manifest that no agent has left behind may be the only copy of something.
   * @throws Refused `backup-exists`
   */
  async assertFree(id: string): Promise<void> {
    const directory = dirname(this.#path);
    const exists = async (name: string) =>
      (await this.#disk.size(join(directory, name))) !== undefined;
    const isFree = this.#unfinished.has(id) || !(await exists(`${id}.dump`));
    if (isFree || (await exists(`${id}.json`))) return;
    throw new Refused(
      'backup-exists',
      `BACKUP_DIR has a file ${id}.dump already, which is no backup of this agent and is not overwritten`,
      'move it elsewhere; to use it as a backup: POST /backups/{id}/adopt. The next backup gets another name',
      { value: id },
    );
  }

  #isLeftover(name: string, names: readonly string[]): boolean {
    const upload = UPLOAD.exec(name)?.[1];
    if (upload !== undefined) return backupIdSchema.safeParse(upload).success;
    const dump = DUMP.exec(name)?.[1] ?? '';
    return this.#unfinished.has(dump) && !names.includes(`${dump}.json`);
  }

  #save(): Promise<void> {
    return this.#disk.write(this.#path, JSON.stringify({ unfinished: [...this.#unfinished] }));
  }
}
