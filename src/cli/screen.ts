import { clearLine, cursorTo } from 'node:readline';
import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

/** Lines that stay and, on a terminal, one below them that changes in place. */
export class Screen {
  readonly #stream: NodeJS.WriteStream;
  readonly #isTerminal: boolean;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    this.#isTerminal = stream.isTTY && process.env.TERM !== 'dumb';
  }

  line(text: string): void {
    this.#wipe();
    this.#stream.write(`${text}\n`);
  }

  live(text: string): void {
    if (!this.#isTerminal) return;
    this.#wipe();
    // Some terminals do not know how wide they are.
    const { columns } = this.#stream;
    this.#stream.write(text.slice(0, (columns || 80) - 1));
  }

  clear(): void {
    this.#wipe();
  }

  /** NO_COLOR and streams that are no terminal get plain text. */
  paint(style: Style, text: string): string {
    return this.#isTerminal && this.#stream.hasColors() ? styleText(style, text) : text;
  }

  #wipe(): void {
    if (!this.#isTerminal) return;
    clearLine(this.#stream, 0);
    cursorTo(this.#stream, 0);
  }
}
