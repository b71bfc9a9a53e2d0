import { appendFile, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { Faults } from '../ports/faults.js';

const HOLD_POLL_MS = 20;

const ruleSchema = z.object({
  label: z.string(),
  moment: z.enum(['before', 'during', 'after']),
  action: z.enum(['fail', 'kill', 'hang', 'hold']),
});

/**
 * For tests only: makes an agent fail at a step's label, by rules in a JSON file. Each rule applies once, also across
 * restarts: `<path>.hits` lists those that have been applied. A step that is held goes on once its rule is removed.
 */
export const createFileFaults = (path: string): Faults => ({
  async at(label, moment) {
    const find = async () =>
      z
        .array(ruleSchema)
        .parse(JSON.parse(await readFile(path, 'utf8')))
        .find((candidate) => candidate.label === label && candidate.moment === moment);
    const rule = await find();
    if (rule === undefined) return;
    const hit = `${label} ${moment} ${rule.action}`;
    const hits = await readFile(`${path}.hits`, 'utf8').catch(() => '');
    if (hits.split('\n').includes(hit)) return;
    await appendFile(`${path}.hits`, `${hit}\n`);
    if (rule.action === 'kill') process.kill(process.pid, 'SIGKILL');
    if (rule.action === 'hang') await sleep(2 ** 31 - 1);
    if (rule.action === 'hold') {
      while ((await find()) !== undefined) await sleep(HOLD_POLL_MS);
      return;
    }
    throw new Error(`injected: ${label} fails ${moment} it`);
  },
});
