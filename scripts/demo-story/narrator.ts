import { hasEnded, type OperationRecord, type StepRecord } from '../../src/domain/operation.js';
import type { Machine } from './machine.js';
import type { Screen } from './screen.js';
import { stepLine, stepNow } from './step-line.js';
import { type Row, tableLines } from './table.js';

/** Tells the story, and checks every claim that it makes. */
export class Narrator {
  readonly #screen: Screen;
  #scenes = 0;
  #claims = 0;

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  get claims(): number {
    return this.#claims;
  }

  scene(title: string): void {
    this.#scenes += 1;
    this.#screen.line();
    this.#screen.line(this.#screen.paint('bold', `${this.#scenes}. ${title}`));
  }

  say(text: string): void {
    this.#screen.line(`  ${text}`);
  }

  /** Quotes an agent. */
  quote(machine: Machine, text: unknown): void {
    this.#screen.line(`  ${machine.name} says: ${this.#screen.paint('yellow', `"${text}"`)}`);
  }

  /** Shows what is awaited while `work` runs. */
  async during<T>(what: string, work: Promise<T>): Promise<T> {
    this.#screen.live(what, `${what} …`);
    try {
      return await work;
    } finally {
      this.#screen.live(what, undefined);
    }
  }

  /** @throws Error naming the claim when it does not hold */
  claim(statement: string, holds: boolean, found?: unknown): void {
    if (!holds) {
      const seen = found === undefined ? '' : `; found: ${JSON.stringify(found)}`;
      throw new Error(`this claim does not hold: ${statement}${seen}`);
    }
    this.#claims += 1;
    this.#screen.line(`  ${this.#screen.paint('green', '✔')} ${statement}`);
  }

  /** Prints the steps of an operation as they end. Resolves to the ended operation. */
  async follow(machine: Machine, id: string): Promise<OperationRecord> {
    const { name } = machine;
    let ticked = 0;
    try {
      for await (const record of machine.watch(id)) {
        ticked += this.#tick(name, record.steps.slice(ticked));
        if (hasEnded(record)) return record;
      }
    } finally {
      this.#screen.live(name, undefined);
    }
    throw new Error(`${name} stopped telling about ${id} before its end`);
  }

  table(rows: readonly Row[]): void {
    this.#screen.line();
    for (const line of tableLines(rows)) this.#screen.line(`  ${line}`);
    this.#screen.line();
  }

  /** Resolves to the number of steps that have ended. */
  #tick(name: string, steps: readonly StepRecord[]): number {
    const running = steps.findIndex(({ state }) => state === 'running');
    const ended = running < 0 ? steps : steps.slice(0, running);
    for (const step of ended) this.#screen.line(`  ${stepLine(this.#screen, name, step)}`);
    const now = steps[running];
    this.#screen.live(name, now && stepNow(name, now));
    return ended.length;
  }
}
