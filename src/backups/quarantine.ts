import { join } from 'node:path';
import { z } from 'zod';
import { manifestSchema } from '../domain/manifest.js';
import { parseJsonAs } from '../domain/parse-json.js';
import type { Disk } from '../ports/disk.js';

const quarantinedSchema = z.object({
  manifest: manifestSchema,
  /** Why it was refused, for a person. */
  reason: z.string(),
  /** When it was received, ISO 8601. */
  at: z.iso.datetime(),
});
export type Quarantined = z.infer<typeof quarantinedSchema>;

/** Refused dumps that are kept. They are as large as backups, and the sender tries again at every tick. */
const KEPT = 3;

/**
 * Dumps that were refused for good, in a directory of their own. They are never listed as backups, counted by retention
 * or restored. `<id>.json` holds the manifest and the reason, `<id>.dump` the dump.
 */
export class Quarantine {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #entries = new Map<string, Quarantined>();

  private constructor(disk: Disk, directory: string) {
    this.#disk = disk;
    this.#directory = directory;
  }

  static async open(disk: Disk, directory: string): Promise<Quarantine> {
    const quarantine = new Quarantine(disk, directory);
    for (const name of await disk.list(directory).catch(() => [])) {
      if (!name.endsWith('.json')) continue;
      const text = await disk.read(join(directory, name)).catch(() => undefined);
      const entry = parseJsonAs(quarantinedSchema, text);
      if (entry !== undefined) quarantine.#entries.set(entry.manifest.id, entry);
    }
    return quarantine;
  }

  /** Newest first. */
  list(): Quarantined[] {
    return [...this.#entries.values()].sort((a, b) => b.at.localeCompare(a.at));
  }

  /** Moves the dump at `path` into quarantine, and removes the oldest ones. */
  async keep(path: string, entry: Quarantined): Promise<void> {
    const { id } = entry.manifest;
    // The reason is written first: it creates the directory, and no dump is ever there without its reason.
    await this.#disk.write(this.#pathOf(id, 'json'), JSON.stringify(entry, null, 2));
    await this.#disk.rename(path, this.#pathOf(id, 'dump'));
    this.#entries.set(id, entry);
    for (const { manifest } of this.list().slice(KEPT)) {
      this.#entries.delete(manifest.id);
      await this.#disk.remove(this.#pathOf(manifest.id, 'dump'));
      await this.#disk.remove(this.#pathOf(manifest.id, 'json'));
    }
  }

  #pathOf(id: string, kind: 'json' | 'dump'): string {
    return join(this.#directory, `${id}.${kind}`);
  }
}
