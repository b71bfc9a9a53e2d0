import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from './postgres.js';
import { runsAs } from './processes.js';

const APP = `import { createServer } from 'node:http';
createServer((_request, response) => response.end('ok')).listen(Number(process.argv[2]), '127.0.0.1');
`;

export interface CommandApp {
  start: string;
  stop: string;
  healthUrl: string;
  /** Pids of every process that the start command left behind, dead or alive. */
  pids(): Promise<number[]>;
  remove(): Promise<void>;
}

/** A small app that is started and stopped by commands, and keeps its starter's stdio open. */
export const createCommandApp = async (directory: string): Promise<CommandApp> => {
  const port = await freePort();
  const file = join(directory, 'app.mjs');
  const pidFile = join(directory, 'app.pids');
  await writeFile(file, APP);
  const pids = async () =>
    (await readFile(pidFile, 'utf8').catch(() => '')).split('\n').filter(Boolean).map(Number);
  return {
    // Like any service manager, it starts nothing that runs already; unlike one, it fails to stop what does not run.
    start: `sh -c 'kill -0 $(tail -n 1 ${pidFile}) || { "${process.execPath}" ${file} ${port} & echo $! >> ${pidFile}; }'`,
    stop: `sh -c 'kill $(tail -n 1 ${pidFile})'`,
    healthUrl: `http://127.0.0.1:${port}/`,
    pids,
    remove: async () => {
      for (const pid of await pids()) if (runsAs(pid, file)) process.kill(pid, 'SIGKILL');
    },
  };
};
