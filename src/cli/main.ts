#!/usr/bin/env node
import { CommanderError } from 'commander';
import { EXIT, Failure } from './failure.js';
import { createProgram } from './program.js';

const isJson = process.argv.includes('--json');

const main = async (): Promise<number> => {
  let exit: number = EXIT.done;
  const program = createProgram((outcome) => {
    console.log(isJson ? JSON.stringify(outcome.value, null, 2) : outcome.lines.join('\n'));
    exit = outcome.exit ?? EXIT.done;
  });
  try {
    await program.parseAsync();
    return exit;
  } catch (error) {
    return explain(error);
  }
};

const explain = (error: unknown): number => {
  // It has said itself what it did not understand.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  if (!(error instanceof Failure)) throw error;
  const { code, message, remedy } = error;
  if (isJson) console.log(JSON.stringify({ error: { code, message, remedy } }, null, 2));
  else console.error(`${message}\nWhat to do: ${remedy}`);
  return error.exit;
};

// Not process.exit: what is still on its way into a pipe would be lost.
process.exitCode = await main();
