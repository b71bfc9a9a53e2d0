import { ColdspareError } from '../../domain/errors.js';

/** Any text as one word for a POSIX shell. */
const quote = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;

/**
 * `argv` as one line for the shell of the other side: SSH takes nothing else. The program runs in `cwd`. It gets the
 * variables `names` from the first lines of stdin, where no process list shows them; `read` takes not a byte more. Its
 * output is framed by `token` for `FramedOutput`.
 */
export const commandLine = (
  argv: readonly string[],
  names: readonly string[],
  token: string,
  cwd?: string,
): string => {
  const changeDirectory = cwd === undefined ? '' : 'CDPATH= cd -- "$1" >/dev/null && shift && ';
  const readVariables = names.map((name) => `IFS= read -r ${name} && export ${name} && `).join('');
  const script = `printf '\\036${token}+'; ${changeDirectory}${readVariables}"$@"; s=$?; printf '\\036${token}-%s\\036' $s; exit $s`;
  const words = cwd === undefined ? argv : [cwd, ...argv];
  return `exec sh -c ${quote(script)} sh ${words.map(quote).join(' ')}`;
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
