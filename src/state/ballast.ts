import { join } from 'node:path';
import type { Disk } from '../ports/disk.js';

/** Enough for the promise and its operation, ten times over. */
const BYTES = 128 * 1024;
/** Bytes that stay free beside it: it must not be what fills the disk. */
const ROOM_BESIDE = 64 * 1024 * 1024;

/**
 * A file that gives its room away when the disk is full. Without it a primary whose disk is full, a common reason for it
 * to fail, could not write down that it stops serving, and nobody could take over from it.
 */
export class Ballast {
  readonly #disk: Disk;
  readonly #directory: string;

  constructor(disk: Disk, stateDirectory: string) {
    this.#disk = disk;
    this.#directory = stateDirectory;
  }

  /** Makes it, where there is none and there is room. */
  async lay(): Promise<void> {
    if (await this.#isThere()) return;
    if ((await this.#disk.free(this.#directory)) < BYTES + ROOM_BESIDE) return;
    await this.#disk.write(this.#path, '\n'.repeat(BYTES));
  }

  /** Resolves to whether there was one. */
  async drop(): Promise<boolean> {
    const wasThere = await this.#isThere();
    await this.#disk.remove(this.#path);
    return wasThere;
  }

  async #isThere(): Promise<boolean> {
    return (await this.#disk.size(this.#path)) !== undefined;
  }

  get #path(): string {
    return join(this.#directory, 'ballast');
  }
}
