import { createHash, type Hash } from 'node:crypto';
import { join } from 'node:path';
import { Readable, Transform, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ColdspareError, isError, Refused } from '../domain/errors.js';
import { type Manifest, manifestSchema, newestFirst } from '../domain/manifest.js';
import { expired } from '../domain/retention.js';
import type { Disk } from '../ports/disk.js';
import type { Faults } from '../ports/faults.js';
import { Quarantine, type Quarantined } from './quarantine.js';

export interface Received {
  bytes: number;
  sha256: string;
}

interface Upload extends Received {
  path: string;
}

/** Uploads that nobody committed. One running and one forgotten are normal; more is somebody filling the disk. */
const MAX_UPLOADS = 2;

/** Bytes from which on a torn upload is kept: less is sent again as soon as it is asked about. */
const WORTH_KEEPING = 1024 * 1024;

/** Left free for the state and the journal, whatever is uploaded. */
const RESERVED_BYTES = 64 * 1024 * 1024;
const LOOK_FOR_ROOM_EVERY = 16 * 1024 * 1024;

/**
 * Backups on disk. `<id>.json` is the manifest, and its rename is the commit: a dump without one does not
 * exist (H05). Uploads are hashed on their way to a temp file and never overwrite a backup.
 */
export class BackupStore {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #faults: Faults;
  readonly #maxBytes: number;
  readonly #quarantine: Quarantine;
  readonly #manifests = new Map<string, Manifest>();
  readonly #uploads = new Map<string, Upload>();
  /** The upload that broke off last: its sender may go on with it. */
  #torn: { id: string; path: string } | undefined;
  #uploadCount = 0;

  private constructor(
    disk: Disk,
    directory: string,
    faults: Faults,
    maxBytes: number,
    quarantine: Quarantine,
  ) {
    this.#disk = disk;
    this.#directory = directory;
    this.#faults = faults;
    this.#maxBytes = maxBytes;
    this.#quarantine = quarantine;
  }

  /** Lists the committed backups and removes what a crash left of uncommitted ones. */
  static async open(
    disk: Disk,
    directory: string,
    faults: Faults,
    maxBytes: number,
  ): Promise<BackupStore> {
    const quarantine = await Quarantine.open(disk, join(directory, 'quarantine'));
    const store = new BackupStore(disk, directory, faults, maxBytes, quarantine);
    const names = await disk.list(directory);
    for (const name of names.filter((candidate) => candidate.endsWith('.json'))) {
      const manifest = parseManifest(await disk.read(join(directory, name)));
      const isWhole =
        manifest !== undefined &&
        `${manifest.id}.json` === name &&
        (await disk.size(store.#dumpPath(manifest.id))) === manifest.bytes;
      if (isWhole) store.#manifests.set(manifest.id, manifest);
    }
    for (const name of names) {
      const isOrphan =
        name.endsWith('.part') ||
        (name.endsWith('.dump') && !names.includes(`${name.slice(0, -'.dump'.length)}.json`));
      if (isOrphan) await disk.remove(join(directory, name));
    }
    return store;
  }

  /** Committed backups, newest first by epoch and sequence. */
  list(): Manifest[] {
    return [...this.#manifests.values()].sort(newestFirst);
  }

  has(id: string): boolean {
    return this.#manifests.has(id);
  }

  /** @throws Refused `backup-not-found` */
  get(id: string): Manifest {
    const manifest = this.#manifests.get(id);
    if (manifest === undefined) {
      throw new Refused(
        'backup-not-found',
        `there is no committed backup ${id}`,
        'GET /backups lists those there are',
        { value: id },
      );
    }
    return manifest;
  }

  /** The dump's bytes. @throws Refused `backup-not-found` */
  async content(id: string): Promise<Readable> {
    return this.#disk.reader(this.#dumpPath(this.get(id).id));
  }

  /**
   * The dump's bytes, for a restore or a push, beginning with the one at `from`. All are read: the stream fails with
   * `backup-unusable` at its end when they are not the committed ones.
   */
  async verifiedContent(id: string, onBytes: (done: number) => void, from = 0): Promise<Readable> {
    const manifest = this.get(id);
    const hash = createHash('sha256');
    let bytes = 0;
    const check = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        hash.update(chunk);
        const skipped = Math.max(0, from - bytes);
        bytes += chunk.length;
        onBytes(bytes);
        done(null, chunk.subarray(skipped));
      },
      flush(done) {
        const sha256 = hash.digest('hex');
        done(sha256 === manifest.sha256 ? null : changedOnDisk(manifest, sha256));
      },
    });
    // The reader of `check` gets every failure from there; this promise would only say it again.
    pipeline(await this.content(id), check).catch(() => {});
    return check;
  }

  /**
   * Takes in a dump from `content`, which goes on at `from` where an earlier one broke off. It is no backup until
   * `commit`.
   * @throws Refused `backup-exists`, `upload-elsewhere`, `too-large`, `disk-full`
   */
  async receive(id: string, content: Readable, { from = 0, bytes = 0 } = {}): Promise<Received> {
    const { sink, received } = await this.open(id, { from, announcedBytes: bytes });
    await Promise.all([pipeline(content, sink), received]);
    return received;
  }

  /** Bytes of an upload that are here: of one that broke off, or of one that is whole. 0 when there is none. */
  async uploaded(id: string): Promise<number> {
    return this.#uploads.get(id)?.bytes ?? (await this.#tornBytes(id));
  }

  async #tornBytes(id: string): Promise<number> {
    if (this.#torn?.id !== id) return 0;
    return (await this.#disk.size(this.#torn.path)) ?? 0;
  }

  /**
   * A sink for a dump, and what had gone into it once it is on disk. A sink that is destroyed leaves nothing behind,
   * unless it is with `upload-torn`, when much has come.
   */
  async open(
    id: string,
    { from = 0, announcedBytes = 0 } = {},
  ): Promise<{ sink: Writable; received: Promise<Received> }> {
    this.#refuseCommitted(id);
    await this.#refuseTooLarge(from, announcedBytes);
    await this.#faults.at('receive.write', 'before');
    const { path, hash } = await this.#begin(id, from);
    const file = await this.#disk.writer(path, { append: from > 0 });
    let bytes = from;
    let roomSeenAt = from;
    const sink = new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        bytes += chunk.length;
        hash.update(chunk);
        if (bytes > this.#maxBytes) return done(this.#tooLarge(bytes));
        if (bytes - roomSeenAt < LOOK_FOR_ROOM_EVERY) return done(null, chunk);
        roomSeenAt = bytes;
        // Nobody can say beforehand how large a dump will be that is being taken.
        this.#refuseFull(0).then(() => done(null, chunk), done);
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
          isError(error, 'upload-torn') && ((await this.#disk.size(path)) ?? 0) >= WORTH_KEEPING;
        if (!isKept) await this.#disk.remove(path);
        else await this.#keepTorn({ id, path });
        throw error;
      });
    // The caller may fail before it looks at this promise; the failure then already has its way out through the sink.
    received.catch(() => {});
    return { sink, received };
  }

  /**
   * Makes an upload a backup, when it is the dump that the manifest describes. Safe to repeat.
   * @throws Refused `upload-unknown`, `upload-torn`, `digest-mismatch`, `backup-exists`
   */
  async commit(manifest: Manifest): Promise<void> {
    const known = this.#manifests.get(manifest.id);
    if (known?.sha256 === manifest.sha256) return;
    this.#refuseCommitted(manifest.id);
    // Only its end did not come: every byte of it did.
    if ((await this.#tornBytes(manifest.id)) === manifest.bytes)
      await this.receive(manifest.id, Readable.from([]), { from: manifest.bytes });
    const upload = this.#uploads.get(manifest.id);
    if (upload === undefined) {
      throw new Refused(
        'upload-unknown',
        `nothing was uploaded as ${manifest.id}`,
        `PUT /backups/${manifest.id} first`,
        { value: manifest.id },
      );
    }
    await this.#refuseDifferent(manifest, upload);
    await this.#faults.at('receive.commit', 'before');
    this.#uploads.delete(manifest.id);
    try {
      await this.#disk.rename(upload.path, this.#dumpPath(manifest.id));
      await this.#faults.at('receive.commit', 'during');
      await this.#disk.write(this.#manifestPath(manifest.id), JSON.stringify(manifest, null, 2));
    } catch (error) {
      await this.#disk.remove(upload.path);
      await this.#disk.remove(this.#dumpPath(manifest.id));
      throw error;
    }
    this.#manifests.set(manifest.id, manifest);
    await this.#faults.at('receive.commit', 'after');
  }

  /** Uploads that may never become a backup here, newest first. */
  quarantined(): Quarantined[] {
    return this.#quarantine.list();
  }

  /**
   * Moves an upload out of the way of the backups, for a person to look at; when nothing was uploaded there is
   * nothing to keep. @throws Refused `upload-torn`, `digest-mismatch`
   */
  async quarantine(manifest: Manifest, reason: string, at: string): Promise<void> {
    const upload = this.#uploads.get(manifest.id);
    if (upload === undefined) return;
    await this.#refuseDifferent(manifest, upload);
    this.#uploads.delete(manifest.id);
    try {
      await this.#quarantine.keep(upload.path, { manifest, reason, at });
    } catch (error) {
      await this.#disk.remove(upload.path);
      throw error;
    }
  }

  /** Removes the backups of `lineage` beyond the newest `keep`, but none of `spared`. Resolves to the removed ids. */
  async prune(lineage: string, keep: number, spared?: ReadonlySet<string>): Promise<string[]> {
    const gone = expired(this.list(), lineage, keep, spared).map(({ id }) => id);
    for (const id of gone) {
      // The manifest goes first: a dump without one does not exist, the other way round would be a backup without data.
      await this.#disk.remove(this.#manifestPath(id));
      this.#manifests.delete(id);
      await this.#disk.remove(this.#dumpPath(id));
    }
    return gone;
  }

  /** The file that `id` goes to, and the digest of what is in there. @throws Refused `upload-elsewhere` */
  async #begin(id: string, from: number): Promise<{ path: string; hash: Hash }> {
    const hash = createHash('sha256');
    const received = await this.#tornBytes(id);
    const torn = this.#torn;
    if (from === 0 || torn === undefined) {
      if (from > 0) throw uploadElsewhere(id, from, 0);
      await this.#keepTorn(undefined);
      return { path: join(this.#directory, `${id}.${this.#uploadCount++}.part`), hash };
    }
    if (received !== from) throw uploadElsewhere(id, from, received);
    // Whoever asks for it from here on begins anew: two must not write to one file.
    this.#torn = undefined;
    await pipeline(await this.#disk.reader(torn.path), hash, { end: false });
    return { path: torn.path, hash };
  }

  /** One is enough: what comes next is newer. */
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

  #refuseCommitted(id: string): void {
    if (!this.has(id)) return;
    throw new Refused(
      'backup-exists',
      `${id} is a committed backup and is never overwritten`,
      'use another id, or take the one that is there',
      { value: id },
    );
  }

  async #refuseTooLarge(from: number, announcedBytes: number): Promise<void> {
    if (from + announcedBytes > this.#maxBytes) throw this.#tooLarge(from + announcedBytes);
    await this.#refuseFull(announcedBytes);
  }

  async #refuseFull(announcedBytes: number): Promise<void> {
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

  async #refuseDifferent(manifest: Manifest, upload: Upload): Promise<void> {
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

  #dumpPath(id: string): string {
    return join(this.#directory, `${id}.dump`);
  }

  #manifestPath(id: string): string {
    return join(this.#directory, `${id}.json`);
  }
}

const uploadElsewhere = (id: string, from: number, received: number): Refused =>
  new Refused(
    'upload-elsewhere',
    `${id} cannot go on at byte ${from}: ${received} bytes of it are here`,
    received === 0 ? `PUT /backups/${id} from its beginning` : `go on at byte ${received}`,
    { value: received },
  );

const changedOnDisk = (manifest: Manifest, sha256: string): ColdspareError =>
  new ColdspareError(
    'backup-unusable',
    `${manifest.id} has changed on disk: sha256 ${sha256}, committed as ${manifest.sha256}`,
    'the next older backup is used; check the disk of this node',
    { value: manifest.id },
  );

const parseManifest = (text: string | undefined): Manifest | undefined => {
  try {
    return text === undefined ? undefined : manifestSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
};
