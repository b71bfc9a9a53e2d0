import type { Message } from './channel.js';

/** How a service sets text, and how much of it it takes. */
interface Typesetting {
  /** What is longer is refused, cut or hidden. */
  most: number;
  lengthOf?(text: string): number;
  bold(title: string): string;
  /** The text as it is, whatever the service would make of its characters. */
  verbatim(text: string): string;
}

/** What stands above a message: `[critical] vcl3: promoted`. */
export const titleOf = ({ severity, over, node, event }: Message): string =>
  `[${over === true ? 'over' : severity}] ${node}: ${event}`;

/** Title, message and remedy. Where it would be too long the message is cut, for the remedy is what is typed next. */
export const typeset = (message: Message, setting: Typesetting): string => {
  const { most, bold, verbatim, lengthOf = (text: string) => text.length } = setting;
  const title = bold(verbatim(titleOf(message)));
  const next = message.remedy === undefined ? '' : `\nNext: ${verbatim(message.remedy)}`;
  const write = (text: string) => `${title}\n${verbatim(text)}${next}`.trimStart();
  const characters = [...message.message];
  let written = write(message.message);
  for (let kept = characters.length; kept > 0 && lengthOf(written) > most; ) {
    kept = Math.floor(kept * 0.9);
    written = write(`${characters.slice(0, kept).join('')}…`);
  }
  return written;
};
