/** One thing that has to be changed on a server. */
export interface Change {
  /** The step, in one word. */
  step: string;
  what: string;
  apply(): Promise<unknown>;
}

export type Say = (line: string) => void;

/** Prints each change, makes it unless this is a dry run, and remembers how far the deploy has come. */
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

  /** The server and step that are being worked on, for an error message. */
  get where(): string {
    return this.#where;
  }

  /** What both servers run now, for an error message. */
  get standing(): string {
    return this.#standing;
  }

  stands(standing: string): void {
    this.#standing = standing;
  }

  /** Runs a step that changes nothing. */
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
