import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { runCommand } from '../../src/drivers/run-command.js';
import { commandLine, environmentLines } from '../../src/drivers/ssh/command-line.js';

/** What sshd does with a line: the login shell gets it. Resolves to what the program printed, without the frame. */
const login = async (line: string, input = '') => {
  const printed = await runCommand(['sh', '-c', line], { timeout: 10_000, input });
  expect(printed.startsWith('\x1e42+') && printed.endsWith('\x1e42-0\x1e')).toBe(true);
  return printed.slice('\x1e42+'.length, -'\x1e42-0\x1e'.length);
};

const NASTY = [
  ...[
    '',
    ' ',
    "'",
    "''",
    '"',
    '\\',
    "\\'",
    "'\\''",
    '$HOME',
    '`id`',
    '$(id)',
    '!!',
    '*',
    '~',
    '#x',
  ],
  ...['a\nb', ';reboot', '&&', '|', '>x', '-n', 'ü☕', "it's; rm -rf '/'", '%s', '{a,b}', '\t'],
];

describe('commandLine', () => {
  test.each(NASTY)('%j is one word', async (word) => {
    expect(await login(commandLine(['printf', '[%s]', word, 'end'], [], '42'))).toBe(
      `[${word}][end]`,
    );
  });

  test('a variable comes from stdin, as it is, and what follows is for the program', async () => {
    const env = { PGPASSWORD: ` it's "$HOME" \\n \\ `, PGAPPNAME: '' };
    const argv = ['sh', '-c', 'printf "[%s][%s]" "$PGPASSWORD" "$PGAPPNAME"; cat', 'sh', "'"];
    const line = commandLine(argv, Object.keys(env), '42');
    expect(line).not.toContain('HOME');
    expect(await login(line, `${environmentLines(env)}SELECT 1;\n`)).toBe(
      `[${env.PGPASSWORD}][]SELECT 1;\n`,
    );
  });

  test.each([[[]], [['PGAPPNAME']]])(
    '%j: it runs in the directory, whatever its name',
    async (names) => {
      const directory = await mkdtemp(join(tmpdir(), "it's $HOME "));
      try {
        expect(await login(commandLine(['pwd'], names, '42', directory), '\n')).toBe(
          `${directory}\n`,
        );
      } finally {
        await rm(directory, { recursive: true });
      }
      await expect(login(commandLine(['pwd'], names, '42', directory), '\n')).rejects.toThrow('cd');
    },
  );

  test('a value that is not one line is refused, and not shown', () => {
    const told = () => environmentLines({ PGPASSWORD: 'brew\n42' });
    expect(told).toThrow('PGPASSWORD has a line break in it');
    expect(told).not.toThrow('brew');
  });
});
