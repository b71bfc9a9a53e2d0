import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ColdspareError, Refused } from '../domain/errors.js';
import { type Manifest, manifestSchema, newestFirst } from '../domain/manifest.js';
import { parseJsonAs } from '../domain/parse-json.js';
import { expired, type Retention } from '../domain/retention.js';
import { type Disk, type DiskSpace, spaceOf } from '../ports/disk.js';
import type { Faults } from '../ports/faults.js';
import { followFile, type OpenedDump } from './follow-file.js';
import { OwnFiles } from './own-files.js';
import { Quarantine, type Quarantined } from './quarantine.js';
import { RESERVED_BYTES, type Received, Uploads } from './uploads.js';

/** Backups for which there has to be room before those of earlier days and weeks are kept. */
const NEXT_BACKUPS = 2;

/**
 * Backups on disk. `<id>.json` is the manifest, and its rename is the commit: a dump without a manifest is no backup
 * (H05). Uploads are hashed on their way to a temp file and never overwrite a backup.
 */
export class BackupStore {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #faults: Faults;
  readonly #uploads: Uploads;
  readonly #quarantine: Quarantine;
  readonly #own: OwnFiles;
  readonly #manifests = new Map<string, Manifest>();

  private constructor(
    disk: Disk,
    directory: string,
    faults: Faults,
    maxBytes: number,
    quarantine: Quarantine,
    own: OwnFiles,
  ) {
    this.#disk = disk;
    this.#directory = directory;
    this.#faults = faults;
    this.#uploads = new Uploads(disk, directory, faults, maxBytes);
    this.#quarantine = quarantine;
    this.#own = own;
  }

  /** Reads the committed backups, and removes what a crash of an agent left behind. Other files are not touched. */
  static async open(
    disk: Disk,
    directory: string,
    faults: Faults,
    maxBytes: number,
  ): Promise<BackupStore> {
    const quarantine = await Quarantine.open(disk, join(directory, 'quarantine'));
    const own = await OwnFiles.open(disk, directory);
    const store = new BackupStore(disk, directory, faults, maxBytes, quarantine, own);
    const names = await disk.list(directory);
    for (const name of names.filter((candidate) => candidate.endsWith('.json'))) {
      // In a folder that others use too, it may be a directory, or nothing that we may read.
      const text = await disk.read(join(directory, name)).catch(() => undefined);
      const manifest = parseJsonAs(manifestSchema, text);
      const isComplete =
        manifest !== undefined &&
        `${manifest.id}.json` === name &&
        (await disk.size(store.#dumpPath(manifest.id))) === manifest.bytes;
      if (isComplete) store.#manifests.set(manifest.id, manifest);
    }
    await own.removeLeftovers(names);
    return store;
  }

  /** Committed backups, newest first by epoch and sequence. */
  list(): Manifest[] {
    return [...this.#manifests.values()].sort(newestFirst);
  }

  /** The space of the file system of BACKUP_DIR. */
  space(): Promise<DiskSpace> {
    return spaceOf(this.#disk, this.#directory);
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
        'GET /backups lists the committed ones',
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
   * The dump's bytes from `from` on, for a restore or a push. The whole file is read and hashed: at its end the stream
   * fails with `backup-unusable` when the digest is not the committed one.
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
    // Avoids an unhandled rejection; the reader of `check` gets every failure.
    pipeline(await this.content(id), check).catch(() => {});
    return check;
  }

  /**
   * Receives a dump from `content`. With `from` it resumes an interrupted upload. It is no backup until `commit`.
   * @throws Refused `backup-exists`, `upload-elsewhere`, `too-large`, `disk-full`
   */
  async receive(id: string, content: Readable, { from = 0, bytes = 0 } = {}): Promise<Received> {
    const { sink, received } = await this.open(id, { from, announcedBytes: bytes });
    await Promise.all([pipeline(content, sink), received]);
    return received;
  }

  /** Received bytes of a complete or interrupted upload; 0 when there is none. */
  uploaded(id: string): Promise<number> {
    return this.#uploads.bytesOf(id);
  }

  /**
   * Opens a sink for a dump (see `Uploads.open`). @throws Refused `backup-exists`, `upload-elsewhere`, `too-large`,
   * `disk-full`
   */
  async open(
    id: string,
    extent: { from?: number; announcedBytes?: number } = {},
  ): Promise<OpenedDump> {
    this.#assertNotCommitted(id);
    const { sink, received, path, onGrowth } = await this.#uploads.open(id, extent);
    // The commit renames the file, maybe while it is being followed.
    const read = (at: number) =>
      this.#disk.reader(path, at).catch(() => this.#disk.reader(this.#dumpPath(id), at));
    const follow = (onBytes: (done: number) => void) =>
      followFile({ read, onGrowth, received }, onBytes);
    return { sink, received, follow, onGrowth };
  }

  /**
   * Makes an upload a backup if the manifest describes it. Safe to repeat.
   * @throws Refused `upload-unknown`, `upload-torn`, `digest-mismatch`, `backup-exists`
   */
  async commit(manifest: Manifest): Promise<void> {
    const known = this.#manifests.get(manifest.id);
    if (known?.sha256 === manifest.sha256) return;
    this.#assertNotCommitted(manifest.id);
    await this.#own.assertFree(manifest.id);
    // Every byte arrived, and only the end of the request was lost.
    if ((await this.#uploads.tornBytesOf(manifest.id)) === manifest.bytes)
      await this.receive(manifest.id, Readable.from([]), { from: manifest.bytes });
    const upload = await this.#uploads.take(manifest);
    if (upload === undefined) {
      throw new Refused(
        'upload-unknown',
        `nothing was uploaded as ${manifest.id}`,
        `PUT /backups/${manifest.id} first`,
        { value: manifest.id },
      );
    }
    await this.#faults.at('receive.commit', 'before');
    this.#uploads.forget(manifest.id);
    try {
      await this.#own.begin(manifest.id);
      await this.#disk.rename(upload.path, this.#dumpPath(manifest.id));
      await this.#faults.at('receive.commit', 'during');
      await this.#disk.write(this.#manifestPath(manifest.id), JSON.stringify(manifest, null, 2));
    } catch (error) {
      await this.#disk.remove(upload.path);
      await this.#disk.remove(this.#dumpPath(manifest.id));
      await this.#own.end(manifest.id);
      throw error;
    }
    await this.#own.end(manifest.id);
    this.#manifests.set(manifest.id, manifest);
    await this.#faults.at('receive.commit', 'after');
  }

  /** Uploads that were refused for good, newest first. */
  quarantined(): Quarantined[] {
    return this.#quarantine.list();
  }

  /**
   * Moves an upload into quarantine, for a person to look at. Does nothing when there is no such upload.
   * @throws Refused `upload-torn`, `digest-mismatch`
   */
  async quarantine(manifest: Manifest, reason: string, at: string): Promise<void> {
    const upload = await this.#uploads.take(manifest);
    if (upload === undefined) return;
    this.#uploads.forget(manifest.id);
    try {
      await this.#quarantine.keep(upload.path, { manifest, reason, at });
    } catch (error) {
      await this.#disk.remove(upload.path);
      throw error;
    }
  }

  /** Removes the backups of `lineage` that retention does not keep, except `spared`. Resolves to the removed ids. */
  async prune(
    lineage: string,
    retention: Retention,
    spared?: ReadonlySet<string>,
  ): Promise<string[]> {
    const removed = expired(this.list(), lineage, retention, spared).map(({ id }) => id);
    for (const id of removed) await this.#remove(id);
    return [...removed, ...(await this.makeRoom(lineage, retention, spared))];
  }

  /**
   * Where the disk has no room for the next backups, those of earlier days and weeks give way, the oldest first. Resolves
   * to the removed ids.
   */
  async makeRoom(
    lineage: string,
    { newest }: Pick<Retention, 'newest'>,
    spared?: ReadonlySet<string>,
  ): Promise<string[]> {
    const removed: string[] = [];
    const recent = { newest, daily: 0, weekly: 0 };
    for (const { id } of expired(this.list(), lineage, recent, spared).toReversed()) {
      const needed = NEXT_BACKUPS * (this.list()[0]?.bytes ?? 0) + RESERVED_BYTES;
      if ((await this.#disk.free(this.#directory)) >= needed) break;
      await this.#remove(id);
      removed.push(id);
    }
    return removed;
  }

  /** The manifest is removed first: a manifest without its dump would be a backup without data. */
  async #remove(id: string): Promise<void> {
    // A full disk may not take this down, and must not keep old backups from making room.
    await this.#own.begin(id).catch(() => {});
    // The manifest is removed first: a manifest without its dump would be a backup without data.
    await this.#disk.remove(this.#manifestPath(id));
    this.#manifests.delete(id);
    await this.#disk.remove(this.#dumpPath(id));
    await this.#own.end(id);
  }

  #assertNotCommitted(id: string): void {
    if (!this.has(id)) return;
    throw new Refused(
      'backup-exists',
      `${id} is a committed backup and is never overwritten`,
      'use another id, or use the backup that exists',
      { value: id },
    );
  }

  #dumpPath(id: string): string {
    return join(this.#directory, `${id}.dump`);
  }

  #manifestPath(id: string): string {
    return join(this.#directory, `${id}.json`);
  }
}

const changedOnDisk = (manifest: Manifest, sha256: string): ColdspareError =>
  new ColdspareError(
    'backup-unusable',
    `${manifest.id} has changed on disk: sha256 ${sha256}, committed as ${manifest.sha256}`,
    'the next older backup is used; check the disk of this node',
    { value: manifest.id },
  );
