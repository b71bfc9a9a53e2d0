import { backupListSchema } from '../../domain/answers.js';
import { formatBytes } from '../../domain/format.js';
import type { Context, Outcome } from '../context.js';
import { formatAge, formatProof } from '../format.js';

export const backups = async ({ agent }: Context): Promise<Outcome> => {
  const { body, node } = await agent.get('/backups', backupListSchema);
  const now = Date.now();
  const listed = body.backups.map(
    ({ id, takenAt, bytes, proof }) =>
      `${id}  ${formatAge(takenAt, now).padStart(10)} old  ${formatBytes(bytes).padStart(8)}  ${formatProof(proof, now)}`,
  );
  const refused = body.quarantined.map(
    ({ id, at, reason }) => `${id}  refused ${formatAge(at, now)} ago: ${reason}`,
  );
  const none = `${node} has no backup. To take one, on the primary: coldspare backup`;
  return { value: body, lines: [...(listed.length === 0 ? [none] : listed), ...refused] };
};
