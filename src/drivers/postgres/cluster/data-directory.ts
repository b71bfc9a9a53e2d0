import { chown, mkdir, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { User } from '../../run-command.js';

/**
 * Where a copy of the primary's cluster is taken, and where the cluster before waits until the copy is proven: in the
 * data directory itself, which may be the root of a volume. Base backups leave such names out.
 */
const NAMES = {
  copy: 'pgsql_tmp_coldspare_copy',
  before: 'pgsql_tmp_coldspare_before',
  /** Removed as soon as anybody looks. */
  waste: 'pgsql_tmp_coldspare_waste',
} as const;

/** In `before`: everything of the cluster before is there, so what lies in the data directory is of the copy. */
const COMPLETE = 'pgsql_tmp_coldspare_complete';

/** Without it, PostgreSQL does not start, and neither is a new cluster made in a directory that is not empty. */
const LAST = 'PG_VERSION';

const isOurs = (name: string): boolean => (Object.values(NAMES) as string[]).includes(name);

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/** Renames are on disk only when their directory is. */
const sync = async (directory: string): Promise<void> => {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
};

/** Moves every entry but `COMPLETE` by renames. Safe to repeat: what was moved already is gone from `from`. */
const moveAll = async (from: string, to: string, order: 'first' | 'last'): Promise<void> => {
  const names = (await readdir(from)).filter((name) => !isOurs(name) && name !== COMPLETE);
  const rest = names.filter((name) => name !== LAST);
  const last = names.filter((name) => name === LAST);
  for (const name of order === 'first' ? [...last, ...rest] : rest) {
    await rename(join(from, name), join(to, name));
    if (name === LAST) await sync(from);
  }
  if (order === 'first') return;
  await sync(to);
  for (const name of last) await rename(join(from, name), join(to, name));
  await sync(to);
};

/**
 * Exchanges the cluster in `directory` for a copy, by renames only. At every moment the directory holds a whole cluster,
 * or one that does not start because it has no PG_VERSION. `abandon` brings back the one before, wherever it was cut.
 */
export class DataDirectory {
  readonly #directory: string;
  readonly #owner: User | undefined;

  /** `owner` is who the files belong to, when this process is root; undefined when it is the owner itself. */
  constructor(directory: string, owner: User | undefined) {
    this.#directory = directory;
    this.#owner = owner;
  }

  get copy(): string {
    return join(this.#directory, NAMES.copy);
  }

  get #before(): string {
    return join(this.#directory, NAMES.before);
  }

  /** An empty place for a copy. */
  async makeRoom(): Promise<void> {
    await this.#clear(NAMES.copy);
    await this.#make(this.copy);
  }

  async install(): Promise<void> {
    await this.#make(this.#before);
    await moveAll(this.#directory, this.#before, 'first');
    await writeFile(join(this.#before, COMPLETE), '');
    await sync(this.#before);
    await moveAll(this.copy, this.#directory, 'last');
  }

  /** Whether the cluster before waits for the copy to be proven. */
  isSwapped(): Promise<boolean> {
    return exists(this.#before);
  }

  async abandon(): Promise<void> {
    if (await this.isSwapped()) await this.#bringBack();
    await this.#clear(NAMES.copy);
    await this.#clear(NAMES.waste);
  }

  async finish(): Promise<void> {
    if (await this.isSwapped()) {
      await this.#clear(NAMES.waste);
      await rename(this.#before, join(this.#directory, NAMES.waste));
      await sync(this.#directory);
    }
    await this.#clear(NAMES.copy);
    await this.#clear(NAMES.waste);
  }

  async #bringBack(): Promise<void> {
    if (await exists(join(this.#before, COMPLETE))) {
      await this.#make(this.copy);
      await moveAll(this.#directory, this.copy, 'first');
      await rm(join(this.#before, COMPLETE));
      await sync(this.#before);
    }
    await moveAll(this.#before, this.#directory, 'last');
    await rm(this.#before, { recursive: true });
    await sync(this.#directory);
  }

  async #make(path: string): Promise<void> {
    await mkdir(path, { mode: 0o700, recursive: true });
    await this.own(path);
  }

  async #clear(name: string): Promise<void> {
    await rm(join(this.#directory, name), { recursive: true, force: true });
  }

  /** Gives a new file to who the others belong to. */
  async own(path: string): Promise<void> {
    if (this.#owner !== undefined) await chown(path, this.#owner.uid, this.#owner.gid);
  }
}
