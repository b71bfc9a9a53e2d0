import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** One of scripts/, as npm runs it after the build. Resolves to what it printed. */
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
