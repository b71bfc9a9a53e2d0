import { randomUUID } from 'node:crypto';
import { cp, mkdir, readdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { ColdspareError } from '../../../src/domain/errors.js';
import type { Layout } from '../layout.js';
import { type Catalog, readCatalog, writeCatalog } from './catalog.js';

/** The databases on disk: a directory each, and the catalog that names them. Every change is one write of the catalog. */
export class Databases {
  readonly #layout: Layout;
  #catalog: Catalog = {};

  constructor(layout: Layout) {
    this.#layout = layout;
  }

  /** The first time, it brings an empty database of the name `first`, as a PostgreSQL image does. */
  async open(first: string): Promise<void> {
    await mkdir(this.#layout.databases, { recursive: true, mode: 0o700 });
    const catalog = await readCatalog(this.#layout.catalog);
    this.#catalog = catalog ?? {};
    await this.#removeLeftovers();
    if (catalog === undefined) await this.add(first, await this.copyTemplate());
  }

  names(): string[] {
    return Object.keys(this.#catalog).sort();
  }

  has(name: string): boolean {
    return name in this.#catalog;
  }

  /** @throws ColdspareError `database-failed` when there is none of that name */
  get(name: string): { path: string; frozen: boolean } {
    const { directory, frozen } = this.#entry(name);
    return { path: this.#path(directory), frozen };
  }

  /** A new directory, which belongs to no database until it is added, and is removed at the next start. */
  copyTemplate(): Promise<string> {
    return this.#copy(this.#layout.template);
  }

  /** As `copyTemplate`, of a database. Nothing may write to it meanwhile. */
  copy(name: string): Promise<string> {
    return this.#copy(this.get(name).path);
  }

  add(name: string, path: string): Promise<void> {
    return this.#change({ ...this.#catalog, [name]: { directory: basename(path), frozen: false } });
  }

  /** No error when there is none. */
  async drop(name: string): Promise<void> {
    const { [name]: dropped, ...others } = this.#catalog;
    if (dropped === undefined) return;
    await this.#change(others);
    await this.discard(this.#path(dropped.directory));
  }

  discard(path: string): Promise<void> {
    return rm(path, { recursive: true, force: true });
  }

  rename(name: string, to: string): Promise<void> {
    const { [name]: renamed = this.#entry(name), ...others } = this.#catalog;
    return this.#change({ ...others, [to]: renamed });
  }

  /** `incoming` becomes `live`, frozen; the one before is kept as `keepAs`. */
  swap(incoming: string, live: string, keepAs: string): Promise<void> {
    const { [incoming]: next = this.#entry(incoming), [live]: before, ...others } = this.#catalog;
    const kept = before && { [keepAs]: before };
    return this.#change({ ...others, ...kept, [live]: { ...next, frozen: true } });
  }

  setFrozen(name: string, frozen: boolean): Promise<void> {
    return this.#change({ ...this.#catalog, [name]: { ...this.#entry(name), frozen } });
  }

  #entry(name: string): Catalog[string] {
    const entry = this.#catalog[name];
    if (entry !== undefined) return entry;
    throw new ColdspareError(
      'database-failed',
      `there is no database ${name}`,
      'GET /status shows what is there; a promote restores the newest backup',
      { value: name },
    );
  }

  #path(directory: string): string {
    return join(this.#layout.databases, directory);
  }

  async #copy(from: string): Promise<string> {
    const path = this.#path(randomUUID());
    await cp(from, path, { recursive: true });
    return path;
  }

  async #change(next: Catalog): Promise<void> {
    await writeCatalog(this.#layout.catalog, next);
    this.#catalog = next;
  }

  /** What a crash left behind: directories that no database has, and dumps in transit. */
  async #removeLeftovers(): Promise<void> {
    const owned = new Set(Object.values(this.#catalog).map(({ directory }) => directory));
    const directories = await readdir(this.#layout.databases);
    const { outgoingDump, arrivingDump } = this.#layout;
    const leftovers = [
      ...directories.filter((directory) => !owned.has(directory)).map((each) => this.#path(each)),
      outgoingDump,
      ...Object.values(arrivingDump),
    ];
    for (const path of leftovers) await this.discard(path);
  }
}
