import { readFile } from 'node:fs/promises';

/** Linux reports CPU times in hundredths of a second, whatever the frequency of its own clock. */
const MS_PER_TICK = 10;

/** CPU that a process has used so far, and the programs that it ran and waited for. Milliseconds. */
export const cpuUsed = async (pid: number): Promise<{ own: number; children: number }> => {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // The name in parentheses may hold blanks; utime, stime, cutime and cstime are the 12th to 15th after it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [user = 0, system = 0, childUser = 0, childSystem = 0] = fields.slice(11, 15).map(Number);
  return {
    own: (user + system) * MS_PER_TICK,
    children: (childUser + childSystem) * MS_PER_TICK,
  };
};
