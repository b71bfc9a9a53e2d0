import { committedSchema } from '../../domain/answers.js';
import type { AgentClient } from '../agent-client.js';
import type { Context, Outcome } from '../context.js';
import { EXIT, Failure } from '../failure.js';

/** Each node keeps the backup for itself, so both have to hear that somebody has looked. */
export const release = async ({ agent, peer }: Context, id: string): Promise<Outcome> => {
  const told = async (client: AgentClient): Promise<string> => {
    const path = `/backups/${encodeURIComponent(id)}/release`;
    const { node } = await client.post(path, committedSchema, {});
    return `${node} keeps ${id} no longer than its age allows.`;
  };
  const lines = [await told(agent)];
  if (peer === undefined) return { value: { id }, lines };
  try {
    return { value: { id }, lines: [...lines, await told(peer)] };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    // The other node may never have had the backup, or have noticed nothing.
    if (error.code === 'backup-not-found') return { value: { id }, lines };
    const again = `The other node was not told: ${error.message}. Later: coldspare --peer release ${id}`;
    return { value: { id }, lines: [...lines, again], exit: EXIT.failed };
  }
};
