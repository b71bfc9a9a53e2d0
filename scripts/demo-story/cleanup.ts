/** Undoes everything that was set up, once, the last first, also when a part of it fails. */
export class Cleanup {
  readonly #releases: (() => Promise<unknown>)[] = [];
  #done: Promise<void> | undefined;

  add(release: () => Promise<unknown>): void {
    this.#releases.push(release);
  }

  /** Safe to repeat. @throws the first error, after everything was tried */
  run(): Promise<void> {
    this.#done ??= this.#runAll();
    return this.#done;
  }

  async #runAll(): Promise<void> {
    const errors: unknown[] = [];
    for (const release of this.#releases.reverse())
      await release().catch((error) => errors.push(error));
    if (errors.length > 0) throw errors[0];
  }
}
