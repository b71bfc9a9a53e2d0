import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';

const MAIN = resolve('dist/src/cli/main.js');

interface Typed {
  /** The working directory. */
  cwd: string;
  env?: Record<string, string>;
}

export interface Said {
  exit: number | null;
  out: string;
  err: string;
}

/** Runs `coldspare ARGS`. `onOutput` gets the whole output so far, and may send a signal. */
export const coldspare = async (
  args: readonly string[],
  { cwd, env = {} }: Typed,
  onOutput: (out: string, kill: (signal: NodeJS.Signals) => void) => void = () => {},
): Promise<Said> => {
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd,
    env: { PATH: process.env.PATH ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (data) => {
    out += data;
    onOutput(out, (signal) => child.kill(signal));
  });
  child.stderr.on('data', (data) => {
    err += data;
  });
  const [exit] = await once(child, 'close');
  return { exit, out, err };
};

/** The same on a terminal, where `typed` is typed after the question. */
export const coldspareOnTerminal = async (
  args: readonly string[],
  { cwd, env = {} }: Typed,
  typed: string,
): Promise<Pick<Said, 'exit' | 'out'>> => {
  const command = [process.execPath, MAIN, ...args].join(' ');
  const child = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
    cwd,
    env: { PATH: process.env.PATH ?? '', TERM: 'xterm', ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let out = '';
  let isTyped = false;
  child.stdout.on('data', (data) => {
    out += data;
    if (isTyped || !out.includes('Type ')) return;
    isTyped = true;
    child.stdin.write(typed);
  });
  const [exit] = await once(child, 'close');
  return { exit, out };
};
