import { styleText } from 'node:util';
import { createLogUpdate } from 'log-update';

type Style = Parameters<typeof styleText>[0];

/** Prints the story: lines that stay and, on a terminal, lines below them that change in place. */
export interface Screen {
  line(text?: string): void;
  /** Shows what `who` is doing now; undefined when it is done. Only on a terminal. */
  live(who: string, text: string | undefined): void;
  paint(style: Style, text: string): string;
  /** Removes the lines that change in place. */
  close(): void;
}

export const createScreen = (stream: NodeJS.WriteStream): Screen =>
  stream.isTTY && process.env.TERM !== 'dumb' ? createTerminal(stream) : createPlain(stream);

const createPlain = (stream: NodeJS.WriteStream): Screen => ({
  line: (text = '') => stream.write(`${text}\n`),
  live() {},
  paint: (_style, text) => text,
  close() {},
});

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
/** Milliseconds. */
const FRAME_PAUSE = 80;

const createTerminal = (stream: NodeJS.WriteStream): Screen => {
  const update = createLogUpdate(stream);
  const busy = new Map<string, string>();
  const paint = (style: Style, text: string) =>
    stream.hasColors() ? styleText(style, text) : text;
  let frame = 0;
  const draw = () => {
    if (busy.size === 0) return update.clear();
    const spinner = paint('cyan', FRAMES[frame % FRAMES.length] ?? '');
    update([...busy.values()].map((text) => `  ${spinner} ${text}`).join('\n'));
  };
  const timer = setInterval(() => {
    frame += 1;
    if (busy.size > 0) draw();
  }, FRAME_PAUSE);
  return {
    line: (text = '') => {
      update.persist(text);
      draw();
    },
    live: (who, text) => {
      if (text === undefined) busy.delete(who);
      else busy.set(who, text);
      draw();
    },
    paint,
    close: () => {
      clearInterval(timer);
      update.clear();
      update.done();
    },
  };
};
