import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { describe, expect, test } from 'vitest';
import { lastLines, tailOf } from '../../src/drivers/program-streams.js';

const columns = (count: number): string =>
  Array.from({ length: count }, (_, n) => `    column_${n} text,\n`).join('');

/** As pg_restore says it: the reason, then the statement, in pieces as they come. */
const said = async (text: string, piece = 1_000): Promise<string> => {
  const pieces = Array.from({ length: Math.ceil(text.length / piece) }, (_, n) =>
    text.slice(n * piece, (n + 1) * piece),
  );
  const stream = Readable.from(pieces, { objectMode: false });
  const tail = tailOf(stream);
  await finished(stream);
  return tail.text();
};

describe('what is kept of what a failed program said', () => {
  const REASON =
    'could not execute query: FATAL:  terminating connection due to administrator command';

  test('the reason above a statement of five thousand lines', async () => {
    const text = `pg_restore: error: ${REASON}\nHINT:  See the log.\nCommand was: CREATE TABLE public.t_1 (\n${columns(5_000)});\n\n`;
    for (const piece of [7, 1_000, text.length]) {
      const kept = await said(text, piece);
      expect(kept).toContain(REASON);
      expect(kept).toContain('HINT:  See the log.');
      expect(kept.length).toBeLessThan(10_000);
    }
  });

  test('the reason in the middle, after many warnings', () => {
    const noise = 'WARNING:  something failed before\n'.repeat(500);
    expect(lastLines(`${noise}ERROR:  no space\n${columns(100)}`)).toContain('ERROR:  no space');
  });

  test('the beginning and the end of a line that names three hundred tables', async () => {
    const tables = Array.from({ length: 300 }, (_, n) => `public.orders_${n}`).join(', ');
    const kept = await said(
      `pg_dump: detail: Query was: LOCK TABLE ${tables} IN ACCESS SHARE MODE\n`,
    );
    expect(kept).toMatch(/LOCK TABLE public.orders_0, .* IN ACCESS SHARE MODE$/);
    expect(kept.length).toBeLessThan(1_000);
  });

  test('all of what is short', () => {
    expect(lastLines('one\ntwo\n\nthree\n')).toBe('one\ntwo\n\nthree');
    expect(lastLines('')).toBe('');
    expect(lastLines('no end of the line')).toBe('no end of the line');
  });
});
