import { createHash } from 'node:crypto';
import { Readable, Writable } from 'node:stream';
import { ColdspareError } from '../../src/domain/errors.js';
import type { Disk } from '../../src/ports/disk.js';
import type { Life } from './life.js';
import type { Random } from './random.js';

export interface File {
  content: Buffer;
  /** False while the system may still lose it in a power cut. */
  isSynced: boolean;
}

const ROOMY = 1024 ** 4;

/** What is on a machine's disk, whoever runs there. */
export class DiskImage {
  readonly files = new Map<string, File>();
  isFull = false;
  /** How many times slower than usual. */
  slowness = 1;
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Unsynced files keep some beginning of what was written to them. */
  losePower(): void {
    for (const file of this.files.values()) {
      if (file.isSynced) continue;
      file.content = file.content.subarray(0, this.#random.integer(0, file.content.length));
      file.isSynced = true;
    }
  }

  /** What is on it now, to be put back later: `restore` with the same choice of paths. */
  snapshot(): ReadonlyMap<string, File> {
    return new Map([...this.files].map(([path, file]) => [path, { ...file }]));
  }

  restore(snapshot: ReadonlyMap<string, File>, isChosen: (path: string) => boolean): void {
    for (const path of [...this.files.keys()]) if (isChosen(path)) this.files.delete(path);
    for (const [path, file] of snapshot) if (isChosen(path)) this.files.set(path, { ...file });
    this.losePower();
  }

  text(path: string): string | undefined {
    return this.files.get(path)?.content.toString();
  }

  digest(path: string): string | undefined {
    const content = this.files.get(path)?.content;
    return content && createHash('sha256').update(content).digest('hex');
  }

  list(directory: string): string[] {
    const prefix = `${directory}/`;
    return [...this.files.keys()]
      .filter((path) => path.startsWith(prefix) && !path.includes('/', prefix.length))
      .map((path) => path.slice(prefix.length));
  }

  /** A bit has turned in a file that nobody has written to. */
  rot(path: string): void {
    const file = this.files.get(path);
    if (file === undefined || file.content.length === 0) return;
    const content = Buffer.from(file.content);
    const at = this.#random.integer(0, content.length - 1);
    content[at] = (content[at] ?? 0) ^ 1;
    file.content = content;
  }
}

/** Told of what becomes durable; for checking it. */
export interface DiskWatch {
  /** After the change. */
  written(path: string, text: string): void;
  /** Before the change. */
  removing(path: string): void;
}

/** The disk as one run of an agent has it. */
export const createDisk = (
  image: DiskImage,
  life: Life,
  random: Random,
  watch: DiskWatch,
): Disk => {
  const refuseFull = () => {
    if (image.isFull)
      throw new ColdspareError('disk-full', 'the disk is full', 'free disk space on this machine');
  };
  const change = (effect: () => void): Promise<void> =>
    life.perform({ ms: random.between(0.2, 3) * image.slowness, effect, outlives: 'now' });
  const read = async <T>(effect: () => T): Promise<T> =>
    image.slowness === 1
      ? effect()
      : life.perform({ ms: random.between(0.2, 3) * image.slowness, effect });

  return {
    read: (path) => read(() => image.text(path)),
    touch: (path) =>
      change(() => {
        if (!image.files.has(path)) image.files.set(path, { content: Buffer.of(), isSynced: true });
      }),
    changedAt: async () => undefined,
    list: (directory) => read(() => image.list(directory)),
    size: (path) => read(() => image.files.get(path)?.content.length),
    free: () => read(() => (image.isFull ? 0 : ROOMY)),
    capacity: async () => ROOMY,
    write: (path, text) =>
      change(() => {
        refuseFull();
        image.files.set(path, { content: Buffer.from(text), isSynced: true });
        watch.written(path, text);
      }),
    remove: (path) =>
      change(() => {
        if (image.files.has(path)) watch.removing(path);
        image.files.delete(path);
      }),
    rename: (from, to) =>
      change(() => {
        const file = image.files.get(from);
        if (file === undefined) throw new Error(`${from} does not exist`);
        image.files.delete(from);
        image.files.set(to, file);
      }),
    writer: async (path, { append } = { append: false }) => {
      const before = append ? image.files.get(path)?.content : undefined;
      const file: File = { content: before ?? Buffer.alloc(0), isSynced: false };
      await change(() => {
        refuseFull();
        image.files.set(path, file);
      });
      const then = (promise: Promise<void>, done: (error?: Error | null) => void) =>
        promise.then(() => done(), done);
      return new Writable({
        write: (chunk: Buffer, _encoding, done) =>
          then(
            change(() => {
              refuseFull();
              file.content = Buffer.concat([file.content, chunk]);
            }),
            done,
          ),
        final: (done) =>
          then(
            change(() => {
              refuseFull();
              file.isSynced = true;
            }),
            done,
          ),
      });
    },
    reader: async (path, from = 0) => {
      const content = await read(() => image.files.get(path)?.content);
      if (content === undefined) throw new Error(`${path} does not exist`);
      return Readable.from([content.subarray(from)]);
    },
  };
};
