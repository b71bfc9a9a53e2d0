#!/usr/bin/env node
import { CommanderError } from 'commander';
import { EXIT, Failure } from './failure.js';
import { createProgram } from './program.js';

const isJson = process.argv.includes('--json');

/** A text of several lines cannot pass for a line of ours. */
const indented = (text: string): string => text.replaceAll('\n', '\n    ');

const main = async (): Promise<number> => {
  let exit: number = EXIT.done;
  const program = createProgram((outcome) => {
    console.log(
      isJson ? JSON.stringify(outcome.value, null, 2) : outcome.lines.map(indented).join('\n'),
    );
    exit = outcome.exit ?? EXIT.done;
  });
  try {
    await program.parseAsync();
    return exit;
  } catch (error) {
    return reportError(error);
  }
};

const reportError = (error: unknown): number => {
  // Commander has printed the error already.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  if (!(error instanceof Failure)) throw error;
  const { code, message, remedy } = error;
  if (isJson) console.log(JSON.stringify({ error: { code, message, remedy } }, null, 2));
  else console.error(`${indented(message)}\nWhat to do: ${indented(remedy)}`);
  return error.exit;
};

// Not process.exit: it would lose output that is still being written to a pipe.
process.exitCode = await main();
