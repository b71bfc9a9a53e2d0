import { describe, expect, test } from 'vitest';
import { ColdspareError } from '../../src/domain/errors.js';
import { oneLine, printable, printableData } from '../../src/domain/printable.js';
import { withoutRows } from '../../src/domain/without-rows.js';
import { createPinoLog } from '../../src/drivers/pino-log.js';
import type { Log } from '../../src/ports/log.js';

/** What a log writes. */
const linesOf = (write: (log: Log) => void): string => {
  const lines: string[] = [];
  write(createPinoLog('info', 'vcl2', { write: (text: string) => void lines.push(text) }));
  return lines.join('');
};

describe('text from outside', () => {
  test.each([
    ['a colour', '\u001b[31mred', '\\x1b[31mred'],
    ['a title', '\u001b]0;root\u0007', '\\x1b]0;root\\x07'],
    ['a one-byte CSI', '\u009b2J', '\\x9b2J'],
    ['a carriage return', 'gone\rOK', 'gone\\x0dOK'],
    ['a reading direction', 'a\u202eb\u2066c', 'a\\u202eb\\u2066c'],
    ['lines and tabs', 'a\n\tb', 'a\n\tb'],
    ['lines of Windows', 'a\r\nb', 'a\nb'],
    ['other languages', 'čaj ☕ 👩‍🍳', 'čaj ☕ 👩‍🍳'],
  ])('%s', (_, given, shown) => {
    expect(printable(given)).toBe(shown);
  });

  test('in one line cannot pass for a second entry', () => {
    expect(oneLine('deploy\n  20261122_promote done')).toBe('deploy 20261122_promote done');
  });

  test('is made printable wherever it stands in an answer', () => {
    expect(printableData({ a: ['\u001b[2J', 1, null], b: { '\u0007': true } })).toEqual({
      a: ['\\x1b[2J', 1, null],
      b: { '\\x07': true },
    });
  });

  test('in a log line is escaped, and a program reads it as it was', () => {
    const line = linesOf((log) => log.info({ reason: 'a\u001bb\u009bc\u202ed' }, 'said'));
    expect(line).toMatch(/^[\x20-\x7e]+\n$/);
    expect(JSON.parse(line).reason).toBe('a\u001bb\u009bc\u202ed');
  });
});

const COPY_FAILED = `pg_restore: error: COPY failed for table "orders": ERROR:  invalid input syntax for type integer: "4711 Main Street"
CONTEXT:  COPY orders, line 7, column note: "Jane Roe
second line of her note"
HINT:  look at the column
pg_restore: error: could not execute query: ERROR:  duplicate key value violates unique constraint "mails"
DETAIL:  Key (mail)=(jane@example.com) already exists.
Command was: CREATE UNIQUE INDEX mails ON customers (mail)`;

describe("PostgreSQL's errors", () => {
  test('keep what is wrong and where, and lose what is in the rows', () => {
    const shown = withoutRows(COPY_FAILED);
    expect(shown).not.toMatch(/Jane|second line|jane@|Main Street/);
    for (const kept of [
      'table "orders"',
      'HINT:  look',
      'constraint "mails"',
      'Command was: CREATE',
    ])
      expect(shown).toContain(kept);
  });

  test('are not told out of the log of an app either', () => {
    const log = `error: duplicate key value\n  detail: 'Key (mail)=(jane@example.com) already exists.',\n  table: 'customers'`;
    expect(withoutRows(log)).toBe("error: duplicate key value\n  table: 'customers'");
  });

  test.each([
    'pg_dump: detail: Error message from server: ERROR:  relation "x" does not exist',
    'extension "cube" is not available',
    'the app says: DETAILS follow',
  ])('%s stays as it is', (text) => {
    expect(withoutRows(text)).toBe(text);
  });

  test('in an error of ours are in neither its message nor what a log prints of it', () => {
    const inner = new ColdspareError('command-failed', COPY_FAILED, 'look');
    const error = new ColdspareError('database-failed', `no: ${inner.message}`, 'look', {
      cause: inner,
    });
    const line = linesOf((log) => log.error({ error }, error.message));
    expect(line).toContain('COPY failed');
    expect(line).not.toMatch(/Jane|jane@|Main Street/);
    expect(error.withRows).toContain('jane@example.com');
  });
});
