import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { runCommand } from '../../src/drivers/run-command.js';

const GIB = 1024 ** 3;

/** What the figures depend on: name and value. */
export const describeMachine = async (): Promise<Record<string, string>> => ({
  date: new Date().toISOString().slice(0, 16).replace('T', ' '),
  machine: `${cpuModel()}, ${availableParallelism()} cores, ${Math.round(totalmem() / GIB)} GiB`,
  node: process.version,
  Docker: (await versionOf('docker', '--version')) ?? 'not installed',
});

/** Not every machine names its model where node looks for it. */
const cpuModel = (): string => {
  const model = cpus()[0]?.model.trim();
  if (model !== undefined && model !== '' && model !== 'unknown') return model;
  return /^model name\s*:\s*(.+)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? 'unknown';
};

const versionOf = async (...argv: string[]): Promise<string | undefined> => {
  const said = await runCommand(argv, { timeout: 10_000 }).catch(() => undefined);
  return said?.trim();
};
