import { once } from 'node:events';
import type { OpenCommand } from './run-command.js';

/** The first byte that a program prints; undefined when it has ended before that. */
export const firstByte = async ({
  stdout,
}: Pick<OpenCommand, 'stdout'>): Promise<string | undefined> => {
  for (;;) {
    const byte: Buffer | null = stdout.read(1);
    if (byte !== null) return byte.toString();
    if (stdout.readableEnded || stdout.destroyed) return undefined;
    await Promise.race([once(stdout, 'readable'), once(stdout, 'close')]);
  }
};
