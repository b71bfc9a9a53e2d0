import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** Runs a built program of scripts/, as npm does. Resolves to its output. */
export const runScript = async (
  name: string,
  ...args: string[]
): Promise<{ status: number | null; output: string }> => {
  const child = spawn(process.execPath, [`dist/scripts/${name}.js`, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (data) => {
    output += data;
  });
  const [status] = await once(child, 'close');
  return { status, output };
};
