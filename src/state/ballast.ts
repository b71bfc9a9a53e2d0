import { join } from 'node:path';
import { isError } from '../domain/errors.js';
import { type Disk, type DiskSpace, spaceOf } from '../ports/disk.js';

/** Ten times what the state and the record of a fence take. */
const BYTES = 128 * 1024;
/** Bytes that stay free besides it, so that the ballast itself does not fill the disk. */
const MIN_FREE = 64 * 1024 * 1024;

/**
 * A file that is removed to free space when the disk is full. A full disk is a common reason for a primary to fail.
 * Without the ballast it could not record that it stops serving, and the standby could not take over.
 */
export class Ballast {
  readonly #disk: Disk;
  readonly #directory: string;

  constructor(disk: Disk, stateDirectory: string) {
    this.#disk = disk;
    this.#directory = stateDirectory;
  }

  /** Creates it, unless it exists or there is too little free space. */
  async create(): Promise<void> {
    if (await this.#exists()) return;
    if ((await this.#disk.free(this.#directory)) < BYTES + MIN_FREE) return;
    await this.#disk.write(this.#path, '\n'.repeat(BYTES));
  }

  /** The space of the file system of STATE_DIR. */
  space(): Promise<DiskSpace> {
    return spaceOf(this.#disk, this.#directory);
  }

  /**
   * For a write that must not fail for want of space: `write` gets the space of the ballast when the disk is full.
   * @throws what `write` throws
   */
  async withRoom<T>(write: () => Promise<T>): Promise<T> {
    try {
      return await write();
    } catch (error) {
      if (!isError(error, 'disk-full') || !(await this.#drop())) throw error;
      return await write();
    }
  }

  /** Resolves to whether it existed. */
  async #drop(): Promise<boolean> {
    const existed = await this.#exists();
    await this.#disk.remove(this.#path);
    return existed;
  }

  async #exists(): Promise<boolean> {
    return (await this.#disk.size(this.#path)) !== undefined;
  }

  get #path(): string {
    return join(this.#directory, 'ballast');
  }
}
