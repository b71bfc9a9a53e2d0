import { z } from 'zod';
import { parseJsonAs } from '../domain/parse-json.js';
import type { Disk } from '../ports/disk.js';
import type { Role, Stack } from '../ports/stack.js';
import { runCommand, splitCommand } from './run-command.js';

/** Milliseconds. Users wait for the command of a new primary. */
const TIMEOUT_MS = 60_000;

interface RoleHooks {
  /** Command lines of ON_PRIMARY_COMMAND and ON_STANDBY_COMMAND. */
  commands: Record<Role, string | undefined>;
  cwd: string;
  disk: Pick<Disk, 'read' | 'write'>;
  /** Remembers the last change of role whose command was run. */
  file: string;
}

const seenSchema = z.object({ role: z.enum(['primary', 'standby']), epoch: z.int() });

/** The stack with the commands for a change of role. It takes note of roles without any command as well. */
export const withRoleHooks = (stack: Stack, { commands, cwd, disk, file }: RoleHooks): Stack => {
  let seen: z.infer<typeof seenSchema> | undefined;
  const remember = async (role: Role, epoch: number): Promise<void> => {
    if (seen?.role === role && seen.epoch === epoch) return;
    await disk.write(file, JSON.stringify({ role, epoch }));
    seen = { role, epoch };
  };

  const run = async (role: Role, epoch: number, signal: AbortSignal): Promise<void> => {
    const command = commands[role];
    if (command === undefined) return;
    const env = { COLDSPARE_ROLE: role, COLDSPARE_EPOCH: `${epoch}` };
    await runCommand(splitCommand(command), { timeout: TIMEOUT_MS, signal, cwd, env });
  };

  return {
    ...stack,
    noteRole: remember,
    onRole: async (role, epoch, signal) => {
      seen ??= parseJsonAs(seenSchema, await disk.read(file));
      // The first look finds a role, and no change of it.
      if (seen === undefined) await remember(role, epoch);
      // A standby hears of epochs that do not concern it. A primary has a new one for each of its terms.
      const isNew = seen?.role !== role || (role === 'primary' && seen.epoch !== epoch);
      if (!isNew) return false;
      try {
        await run(role, epoch, signal);
      } catch (error) {
        // A command of the primary is not run later in the same term: it would empty a queue in use.
        if (role === 'primary' && !signal.aborted) await remember(role, epoch);
        throw error;
      }
      await remember(role, epoch);
      return true;
    },
  };
};
