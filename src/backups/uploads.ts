import { createHash, type Hash } from 'node:crypto';
import { join } from 'node:path';
import { Transform, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isError, Refused } from '../domain/errors.js';
import type { Manifest } from '../domain/manifest.js';
import type { Disk } from '../ports/disk.js';
import type { Faults } from '../ports/faults.js';

export interface Received {
  bytes: number;
  sha256: string;
}

/** A file that takes a dump. */
interface Opened {
  sink: Writable;
  received: Promise<Received>;
  path: string;
  /** Calls back when more was written, whoever asked last. */
  onGrowth(listener: () => void): void;
}

interface Upload extends Received {
  path: string;
}

/** Uncommitted uploads that are kept. One running and one abandoned upload are normal; more would fill the disk. */
const MAX_UPLOADS = 2;

/** Keep partial uploads above this size, in bytes. Smaller ones are quickly sent again. */
const MIN_KEPT_BYTES = 1024 * 1024;

/** Bytes that stay free for the state and the journal. */
export const RESERVED_BYTES = 64 * 1024 * 1024;
/** Bytes of an upload after which the free space is checked again. */
const FREE_SPACE_CHECK = 16 * 1024 * 1024;

/** Received dumps that are not committed yet. Each is hashed on its way into a file of its own. */
export class Uploads {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #faults: Faults;
  readonly #maxBytes: number;
  readonly #uploads = new Map<string, Upload>();
  /** The last interrupted upload: its sender may resume it. */
  #torn: { id: string; path: string } | undefined;
  #count = 0;

  constructor(disk: Disk, directory: string, faults: Faults, maxBytes: number) {
    this.#disk = disk;
    this.#directory = directory;
    this.#faults = faults;
    this.#maxBytes = maxBytes;
  }

  /** Received bytes of a complete or interrupted upload; 0 when there is none. */
  async bytesOf(id: string): Promise<number> {
    return this.#uploads.get(id)?.bytes ?? (await this.tornBytesOf(id));
  }

  /** Received bytes of an interrupted upload; 0 when there is none. */
  async tornBytesOf(id: string): Promise<number> {
    if (this.#torn?.id !== id) return 0;
    return (await this.#disk.size(this.#torn.path)) ?? 0;
  }

  /**
   * Opens a sink for a dump. `received` resolves once the dump is on disk. A destroyed sink leaves nothing behind,
   * unless it is destroyed with `upload-torn` and the part is large enough to keep.
   */
  async open(id: string, { from = 0, announcedBytes = 0 } = {}): Promise<Opened> {
    await this.#assertNotTooLarge(from, announcedBytes);
    await this.#faults.at('receive.write', 'before');
    const { path, hash } = await this.#begin(id, from);
    const file = await this.#disk.writer(path, { append: from > 0 });
    let bytes = from;
    let checkedAt = from;
    let onGrowth = () => {};
    const sink = new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        bytes += chunk.length;
        hash.update(chunk);
        onGrowth();
        if (bytes > this.#maxBytes) return done(this.#tooLarge(bytes));
        if (bytes - checkedAt < FREE_SPACE_CHECK) return done(null, chunk);
        checkedAt = bytes;
        // The size of a dump that is still being taken is not known in advance.
        this.#assertFits(0).then(() => done(null, chunk), done);
      },
    });
    const received = pipeline(sink, file)
      .then(async () => {
        await this.#faults.at('receive.write', 'after');
        const upload = { bytes, sha256: hash.digest('hex'), path };
        await this.#keepUpload(id, upload);
        return { bytes: upload.bytes, sha256: upload.sha256 };
      })
      .catch(async (error: unknown) => {
        const isKept =
          isError(error, 'upload-torn') && ((await this.#disk.size(path)) ?? 0) >= MIN_KEPT_BYTES;
        if (!isKept) await this.#disk.remove(path);
        else await this.#keepTorn({ id, path });
        throw error;
      });
    // Avoids an unhandled rejection: a caller that fails earlier gets the error through the sink.
    received.catch(() => {});
    return {
      sink,
      received,
      path,
      onGrowth: (listener) => {
        onGrowth = listener;
      },
    };
  }

  /** The upload that the manifest describes; undefined when there is none. @throws Refused `upload-torn`, `digest-mismatch` */
  async take(manifest: Manifest): Promise<Upload | undefined> {
    const upload = this.#uploads.get(manifest.id);
    if (upload === undefined) return undefined;
    await this.#assertSame(manifest, upload);
    return upload;
  }

  /** Forgets an upload whose file the caller moves. */
  forget(id: string): void {
    this.#uploads.delete(id);
  }

  /** The file for `id`, and the digest of what is in it already. @throws Refused `upload-elsewhere` */
  async #begin(id: string, from: number): Promise<{ path: string; hash: Hash }> {
    const hash = createHash('sha256');
    const received = await this.tornBytesOf(id);
    const torn = this.#torn;
    if (from === 0 || torn === undefined) {
      if (from > 0) throw uploadElsewhere(id, from, 0);
      await this.#keepTorn(undefined);
      return { path: join(this.#directory, `${id}.${this.#count++}.part`), hash };
    }
    if (received !== from) throw uploadElsewhere(id, from, received);
    // Another upload of this id starts over from now on: two must not write to one file.
    this.#torn = undefined;
    await pipeline(await this.#disk.reader(torn.path), hash, { end: false });
    return { path: torn.path, hash };
  }

  /** Keeps one interrupted upload, the newest. */
  async #keepTorn(torn: { id: string; path: string } | undefined): Promise<void> {
    const replaced = this.#torn;
    this.#torn = torn;
    if (replaced !== undefined) await this.#disk.remove(replaced.path);
  }

  async #keepUpload(id: string, upload: Upload): Promise<void> {
    const replaced = this.#uploads.get(id);
    if (replaced !== undefined) await this.#disk.remove(replaced.path);
    this.#uploads.delete(id);
    this.#uploads.set(id, upload);
    for (const [oldest, { path }] of [...this.#uploads].slice(0, -MAX_UPLOADS)) {
      this.#uploads.delete(oldest);
      await this.#disk.remove(path);
    }
  }

  async #assertNotTooLarge(from: number, announcedBytes: number): Promise<void> {
    if (from + announcedBytes > this.#maxBytes) throw this.#tooLarge(from + announcedBytes);
    await this.#assertFits(announcedBytes);
  }

  async #assertFits(announcedBytes: number): Promise<void> {
    const free = await this.#disk.free(this.#directory);
    if (announcedBytes + RESERVED_BYTES <= free) return;
    throw new Refused(
      'disk-full',
      `${announcedBytes === 0 ? 'no more fits' : `${announcedBytes} bytes do not fit`}: ${free} bytes are free in BACKUP_DIR, ${RESERVED_BYTES} stay reserved`,
      'free disk space or lower BACKUP_KEEP on the receiving node, then POST /backups',
      { value: announcedBytes },
    );
  }

  #tooLarge(bytes: number): Refused {
    return new Refused(
      'too-large',
      `a dump of ${bytes} bytes or more is above BACKUP_MAX_BYTES (${this.#maxBytes})`,
      'raise BACKUP_MAX_BYTES on the receiving node',
      { value: bytes },
    );
  }

  async #assertSame(manifest: Manifest, upload: Upload): Promise<void> {
    if (upload.bytes === manifest.bytes && upload.sha256 === manifest.sha256) return;
    this.#uploads.delete(manifest.id);
    await this.#disk.remove(upload.path);
    const torn = upload.bytes !== manifest.bytes;
    throw new Refused(
      torn ? 'upload-torn' : 'digest-mismatch',
      torn
        ? `received ${upload.bytes} bytes of ${manifest.id}, its manifest says ${manifest.bytes}`
        : `received ${manifest.id} with sha256 ${upload.sha256}, its manifest says ${manifest.sha256}`,
      `the upload was discarded; PUT /backups/${manifest.id} again`,
      { value: manifest.id },
    );
  }
}

const uploadElsewhere = (id: string, from: number, received: number): Refused =>
  new Refused(
    'upload-elsewhere',
    `${id} cannot be resumed at byte ${from}: ${received} bytes of it are here`,
    received === 0 ? `PUT /backups/${id} from its beginning` : `resume at byte ${received}`,
    { value: received },
  );
