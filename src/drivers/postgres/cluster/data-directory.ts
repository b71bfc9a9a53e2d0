import { join } from 'node:path';
import type { ClusterFiles, FileChange } from './files.js';

/** What the names of everything of ours begin with. Base backups leave such names out. */
const OURS = 'pgsql_tmp_coldspare_';

/**
 * Where a copy of the primary's cluster is taken, and where the cluster before waits until the copy is proven: in the
 * data directory itself, which may be the root of a volume.
 */
const NAMES = {
  copy: `${OURS}copy`,
  before: `${OURS}before`,
  /** Removed as soon as anybody looks. */
  waste: `${OURS}waste`,
} as const;

/** In `before`: everything of the cluster before is there, so what lies in the data directory is of the copy. */
const COMPLETE = `${OURS}complete`;

/** Without it, PostgreSQL does not start, and neither is a new cluster made in a directory that is not empty. */
const LAST = 'PG_VERSION';

const isOurs = (name: string): boolean => name.startsWith(OURS);

type Files = Pick<ClusterFiles, 'list' | 'change'>;

/**
 * Exchanges the cluster in `directory` for a copy, by renames only. At every moment the directory holds a whole cluster,
 * or one that does not start because it has no PG_VERSION. `abandon` brings back the one before, wherever it was cut.
 */
export class DataDirectory {
  readonly #files: Files;
  readonly #directory: string;

  constructor(files: Files, directory: string) {
    this.#files = files;
    this.#directory = directory;
  }

  get copy(): string {
    return this.#path(NAMES.copy);
  }

  get #before(): string {
    return this.#path(NAMES.before);
  }

  get #waste(): string {
    return this.#path(NAMES.waste);
  }

  /** An empty place for a copy. */
  makeRoom(): Promise<void> {
    return this.#files.change([
      { do: 'remove', path: this.copy },
      { do: 'make', path: this.copy },
    ]);
  }

  async install(): Promise<void> {
    await this.#files.change([
      { do: 'make', path: this.#before },
      ...(await this.#moveAll(this.#directory, this.#before, 'first')),
      { do: 'write', path: join(this.#before, COMPLETE), content: '' },
      { do: 'sync', path: this.#before },
      ...(await this.#moveAll(this.copy, this.#directory, 'last')),
    ]);
  }

  /** Whether the cluster before waits for the copy to be proven. */
  async isSwapped(): Promise<boolean> {
    return (await this.#files.list(this.#directory)).includes(NAMES.before);
  }

  /** `beforeMoves` is called when the cluster before has to be brought back, and may refuse that. */
  async abandon(beforeMoves: () => Promise<void> = async () => {}): Promise<void> {
    const names = await this.#files.list(this.#directory);
    if (!names.some(isOurs)) return;
    if (names.includes(NAMES.before)) {
      await beforeMoves();
      await this.#bringBack();
    }
    await this.#files.change(this.#removeLeftovers());
  }

  async finish(): Promise<void> {
    const names = await this.#files.list(this.#directory);
    if (!names.some(isOurs)) return;
    const giveUpBefore: FileChange[] = [
      { do: 'remove', path: this.#waste },
      { do: 'move', path: this.#before, to: this.#waste },
      { do: 'sync', path: this.#directory },
    ];
    await this.#files.change([
      ...(names.includes(NAMES.before) ? giveUpBefore : []),
      ...this.#removeLeftovers(),
    ]);
  }

  #removeLeftovers(): FileChange[] {
    return [
      { do: 'remove', path: this.copy },
      { do: 'remove', path: this.#waste },
    ];
  }

  async #bringBack(): Promise<void> {
    const complete = join(this.#before, COMPLETE);
    const isComplete = (await this.#files.list(this.#before)).includes(COMPLETE);
    await this.#files.change([
      ...(isComplete
        ? ([
            { do: 'make', path: this.copy },
            ...(await this.#moveAll(this.#directory, this.copy, 'first')),
            { do: 'remove', path: complete },
            { do: 'sync', path: this.#before },
          ] satisfies FileChange[])
        : []),
      ...(await this.#moveAll(this.#before, this.#directory, 'last')),
      { do: 'remove', path: this.#before },
      { do: 'sync', path: this.#directory },
    ]);
  }

  /** Moves all that is not ours by renames. Safe to repeat: what was moved already is gone from `from`. */
  async #moveAll(from: string, to: string, order: 'first' | 'last'): Promise<FileChange[]> {
    const names = (await this.#files.list(from)).filter((name) => !isOurs(name));
    const move = (name: string): FileChange => ({
      do: 'move',
      path: join(from, name),
      to: join(to, name),
    });
    const rest = names.filter((name) => name !== LAST).map(move);
    const last = names.filter((name) => name === LAST).map(move);
    return order === 'first'
      ? [...last, ...last.map((): FileChange => ({ do: 'sync', path: from })), ...rest]
      : [...rest, { do: 'sync', path: to }, ...last, { do: 'sync', path: to }];
  }

  #path(name: string): string {
    return join(this.#directory, name);
  }
}
