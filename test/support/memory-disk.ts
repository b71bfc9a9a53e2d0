import { Readable, Writable } from 'node:stream';
import { ColdspareError } from '../../src/domain/errors.js';
import type { Disk } from '../../src/ports/disk.js';

/** A disk in memory, which can be full. */
export class MemoryDisk implements Disk {
  readonly files = new Map<string, Buffer>();
  freeBytes = 1024 ** 4;
  readonly #touched = new Map<string, number>();

  async read(path: string): Promise<string | undefined> {
    return this.files.get(path)?.toString();
  }
  async write(path: string, text: string): Promise<void> {
    this.#refuseFull();
    this.files.set(path, Buffer.from(text));
  }
  async touch(path: string): Promise<void> {
    if (!this.files.has(path)) await this.write(path, '');
    this.#touched.set(path, (this.#touched.get(path) ?? 0) + 1);
  }
  async changedAt(path: string): Promise<number | undefined> {
    return this.files.has(path) ? (this.#touched.get(path) ?? 0) : undefined;
  }
  async list(directory: string): Promise<string[]> {
    const prefix = `${directory}/`;
    return [...this.files.keys()]
      .filter((path) => path.startsWith(prefix) && !path.includes('/', prefix.length))
      .map((path) => path.slice(prefix.length));
  }
  async size(path: string): Promise<number | undefined> {
    return this.files.get(path)?.length;
  }
  async remove(path: string): Promise<void> {
    this.files.delete(path);
  }
  async rename(from: string, to: string): Promise<void> {
    const content = this.files.get(from);
    if (content === undefined) throw new Error(`${from} does not exist`);
    this.files.delete(from);
    this.files.set(to, content);
  }
  async writer(path: string, { append } = { append: false }): Promise<Writable> {
    if (!append) this.files.set(path, Buffer.alloc(0));
    return new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        try {
          this.#refuseFull();
        } catch (error) {
          return done(error as Error);
        }
        this.files.set(path, Buffer.concat([this.files.get(path) ?? Buffer.alloc(0), chunk]));
        done();
      },
    });
  }
  async reader(path: string, from = 0): Promise<Readable> {
    const content = this.files.get(path);
    if (content === undefined) throw new Error(`${path} does not exist`);
    return Readable.from([content.subarray(from)]);
  }
  async free(): Promise<number> {
    return this.freeBytes;
  }
  async capacity(): Promise<number> {
    return 1024 ** 4;
  }
  #refuseFull(): void {
    if (this.freeBytes === 0)
      throw new ColdspareError('disk-full', 'the disk is full', 'free some space');
  }
}
