import { createInterface } from 'node:readline/promises';
import { EXIT, Failure } from './failure.js';

/** Asks a person to type the node's name. @throws Failure `usage` when another name is typed */
export const promptUser = async (node: string, what: string): Promise<void> => {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    const interrupted = new Promise<string>((resolve) => terminal.once('close', () => resolve('')));
    const asked = terminal.question(`Type ${node} to ${what}: `);
    const typed = await Promise.race([asked, interrupted]);
    if (typed.trim() === node) return;
  } finally {
    terminal.close();
  }
  throw new Failure(EXIT.usage, 'usage', `that is not ${node}: nothing was done`, 'type it again');
};
