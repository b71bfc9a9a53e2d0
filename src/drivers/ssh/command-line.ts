import { ColdspareError } from '../../domain/errors.js';

/** `word` as one word of a POSIX shell, whatever is in it. */
const quote = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;

/**
 * `argv` for SSH, which has only lines for the shell of the other side. The variables `names` come from the first
 * lines of stdin, where no process list shows them; `read` takes these bytes and not one more. It runs in `cwd`.
 */
export const commandLine = (
  argv: readonly string[],
  names: readonly string[],
  cwd?: string,
): string => {
  const words = argv.map(quote).join(' ');
  const there = cwd === undefined ? '' : `cd ${quote(cwd)} && `;
  if (names.length === 0) return `${there}exec ${words}`;
  const takeOver = names.map((name) => `IFS= read -r ${name} && export ${name} && `).join('');
  return `${there}exec sh -c ${quote(`${takeOver}exec "$@"`)} sh ${words}`;
};

/** The first lines of stdin for `commandLine`. @throws ColdspareError `invalid-request` when a value is no line */
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
