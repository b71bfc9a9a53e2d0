import { ColdspareError } from '../../domain/errors.js';

/** Any text as one word for a POSIX shell. */
const quote = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;

/**
 * `argv` as one line for the shell of the other side: SSH takes nothing else. The program runs in `cwd`. It gets the
 * variables `names` from the first lines of stdin, where no process list shows them; `read` takes not a byte more.
 */
export const commandLine = (
  argv: readonly string[],
  names: readonly string[],
  cwd?: string,
): string => {
  const words = argv.map(quote).join(' ');
  const changeDirectory = cwd === undefined ? '' : `cd ${quote(cwd)} && `;
  if (names.length === 0) return `${changeDirectory}exec ${words}`;
  const readVariables = names.map((name) => `IFS= read -r ${name} && export ${name} && `).join('');
  return `${changeDirectory}exec sh -c ${quote(`${readVariables}exec "$@"`)} sh ${words}`;
};

/** The first lines of stdin for `commandLine`. @throws ColdspareError `invalid-request` when a value has a line break */
export const environmentLines = (env: Record<string, string>): string =>
  Object.entries(env)
    .map(([name, value]) => {
      if (!/[\n\0]/.test(value)) return `${value}\n`;
      throw new ColdspareError(
        'invalid-request',
        `${name} has a line break in it and cannot be used over SSH`,
        'use a password of one line',
      );
    })
    .join('');
