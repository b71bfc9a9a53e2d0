/** What is to be done on a server so that it is as it should be. */
export interface Change {
  /** The step, in one word. */
  step: string;
  what: string;
  apply(): Promise<unknown>;
}

export type Say = (line: string) => void;

/** Says each change, makes it unless this is a dry run, and remembers where it stands. */
export class Progress {
  readonly isDry: boolean;
  readonly #say: Say;
  #changes = 0;
  #where = 'at the start';
  #standing = 'Nothing was changed.';

  constructor(say: Say, { isDry }: { isDry: boolean }) {
    this.#say = say;
    this.isDry = isDry;
  }

  get changes(): number {
    return this.#changes;
  }

  /** Where it was, should it end now. */
  get where(): string {
    return this.#where;
  }

  /** What is true of the pair, should it end now. */
  get standing(): string {
    return this.#standing;
  }

  stands(standing: string): void {
    this.#standing = standing;
  }

  /** Something that is only looked at. */
  async look<T>(server: string, step: string, action: () => Promise<T>): Promise<T> {
    this.#where = `${server}, step ${step}`;
    return action();
  }

  async make(server: string, { step, what, apply }: Change): Promise<void> {
    this.#where = `${server}, step ${step}`;
    this.#changes += 1;
    this.tell(server, step, what);
    if (!this.isDry) await apply();
  }

  tell(server: string, step: string, what: string): void {
    this.#say(`${server.padEnd(8)} ${step.padEnd(11)} ${what}`);
  }
}
