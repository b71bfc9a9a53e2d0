import { clearLine, cursorTo } from 'node:readline';
import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

/** Prints lines and, on a terminal, a last line that is updated in place. */
export class Screen {
  readonly #stream: NodeJS.WriteStream;
  readonly #isTerminal: boolean;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    this.#isTerminal = stream.isTTY && process.env.TERM !== 'dumb';
  }

  line(text: string): void {
    this.clear();
    this.#stream.write(`${text}\n`);
  }

  live(text: string): void {
    this.clear();
    if (!this.#isTerminal) return;
    // Some terminals report no width.
    const { columns } = this.#stream;
    this.#stream.write(text.slice(0, (columns || 80) - 1));
  }

  /** Clears the last line. */
  clear(): void {
    if (!this.#isTerminal) return;
    clearLine(this.#stream, 0);
    cursorTo(this.#stream, 0);
  }

  /** Plain text with NO_COLOR, or when the stream is not a terminal. */
  paint(style: Style, text: string): string {
    return this.#isTerminal && this.#stream.hasColors() ? styleText(style, text) : text;
  }
}
