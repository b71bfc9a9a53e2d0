import { z } from 'zod';
import { parseJsonAs } from '../../domain/parse-json.js';
import { logPlaceSchema } from '../../domain/replication.js';
import type { Disk } from '../../ports/disk.js';

const rememberedSchema = z.object({
  /** The cluster whose log both nodes have shared, by its system identifier: neither was copied from anything else. */
  paired: z.string().nullable().default(null),
  /** What the primary said last, before it was lost: nobody can ask it then (S04). */
  word: z.object({ at: logPlaceSchema, saidAt: z.iso.datetime() }).nullable().default(null),
});
type Remembered = z.infer<typeof rememberedSchema>;

const NOTHING: Remembered = { paired: null, word: null };

/** What this node knows of its replica beyond a restart of the agent. */
export class StreamMemory {
  readonly #disk: Pick<Disk, 'read' | 'write'>;
  readonly #file: string;
  #known: Remembered | undefined;

  constructor(disk: Pick<Disk, 'read' | 'write'>, file: string) {
    this.#disk = disk;
    this.#file = file;
  }

  /** What is known without a look at the disk. */
  get current(): Readonly<Remembered> {
    return this.#known ?? NOTHING;
  }

  async load(): Promise<Readonly<Remembered>> {
    this.#known ??= parseJsonAs(rememberedSchema, await this.#disk.read(this.#file)) ?? NOTHING;
    return this.#known;
  }

  async note(change: Partial<Remembered>): Promise<void> {
    const before = await this.load();
    const next = { ...before, ...change };
    if (JSON.stringify(next) === JSON.stringify(before)) return;
    this.#known = next;
    await this.#disk.write(this.#file, JSON.stringify(next));
  }
}
