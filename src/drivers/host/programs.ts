import { access, constants } from 'node:fs/promises';
import { delimiter, resolve } from 'node:path';
import { ColdspareError } from '../../domain/errors.js';
import { splitCommand } from '../run-command.js';

/**
 * Whether the programs of these command lines are there. Nothing is run.
 * @throws ColdspareError `app-failed` that names the variable
 */
export const assertPrograms = async (commands: Record<string, string>): Promise<void> => {
  for (const [variable, command] of Object.entries(commands)) {
    const [program = ''] = splitCommand(command);
    if (await isExecutable(program)) continue;
    throw new ColdspareError(
      'app-failed',
      `${variable}="${command}": there is no program ${program} that the agent may run`,
      `install ${program} on this server, or correct ${variable}; an agent's PATH may be shorter than that of a login`,
      { value: program },
    );
  }
};

const isExecutable = async (program: string): Promise<boolean> => {
  const folders = program.includes('/') ? ['.'] : (process.env.PATH ?? '').split(delimiter);
  const found = folders.map((folder) => access(resolve(folder, program), constants.X_OK));
  return (await Promise.allSettled(found)).some(({ status }) => status === 'fulfilled');
};
