import { z } from 'zod';
import { parseJsonAs } from '../domain/parse-json.js';
import type { Clock } from '../ports/clock.js';
import type { Disk } from '../ports/disk.js';
import { isHealthy } from '../ports/probe.js';
import type { App } from '../ports/stack.js';
import type { NodeState } from '../state/node-state.js';

/** When this node last served, by the uptime of its machine: the wall clock may jump. */
const servedSchema = z.object({ boot: z.string(), elapsed: z.number(), epoch: z.number() });

interface Node {
  settings: { servedFile: string; checkInterval: number; failThreshold: number };
  state: Pick<NodeState, 'current'>;
  stack: { app: Pick<App, 'check'> };
  disk: Pick<Disk, 'read' | 'write'>;
  clock: Pick<Clock, 'uptime'>;
}

/** Notes that this node serves now. Without the note, the next agent asks its peer for longer. */
export const noteServing = async ({ disk, clock, settings, state }: Node): Promise<void> => {
  const uptime = clock.uptime?.();
  if (uptime === undefined) return;
  const note = JSON.stringify({ ...uptime, epoch: state.current.epoch });
  await disk.write(settings.servedFile, note).catch(() => {});
};

/**
 * Whether the app has served on while the agent was away, and that was too short for anybody else to take over: the
 * peer's monitor needs FAIL_THRESHOLD checks. This agent then goes on where the one before it was ended.
 */
export const hasServedOn = async ({
  disk,
  clock,
  settings,
  state,
  stack,
}: Node): Promise<boolean> => {
  const now = clock.uptime?.();
  const text = await disk.read(settings.servedFile).catch(() => undefined);
  const served = parseJsonAs(servedSchema, text);
  if (now === undefined || served?.boot !== now.boot) return false;
  const isBrief =
    now.elapsed >= served.elapsed &&
    now.elapsed - served.elapsed < settings.checkInterval * settings.failThreshold;
  return isBrief && served.epoch === state.current.epoch && isHealthy(await stack.app.check());
};
