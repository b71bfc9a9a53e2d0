import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach } from 'vitest';

/** The number of lines, and of characters in each: CI keeps only a limited output. */
const LINES = 15;
const LENGTH = 260;

/** After a failed test, shows the last log lines of each agent, without those about requests. */
afterEach(async ({ task }) => {
  if (task.result?.state !== 'fail') return;
  const directory = process.env.TMPDIR ?? '';
  const files = await readdir(directory, { recursive: true }).catch(() => []);
  const logs = files.filter((file) => file.endsWith('agent.log'));
  const said = await Promise.all(logs.map((log) => lastWords(join(directory, log))));
  if (said.length > 0) throw new Error(`the agents' last words:\n${said.join('\n')}`);
});

const lastWords = async (log: string): Promise<string> => {
  const lines = (await readFile(log, 'utf8'))
    .split('\n')
    .filter((line) => line !== '' && !line.includes('"msg":"request"'));
  return [log, ...lines.slice(-LINES).map((line) => line.slice(0, LENGTH))].join('\n');
};
