import { describe, expect, test } from 'vitest';
import { createPostgresDatabase } from '../../src/drivers/postgres/database.js';
import { fakePsql } from '../support/fake-psql.js';

const OFF = `options='-c event_triggers=off'`;

/** What looks at a database of the app. */
const LOOKS = ['fingerprint', 'inventory', 'uncarried', 'usage', 'values'] as const;

/** The databases that it opened, each with whether event triggers were off. */
const openedBy = async (may: boolean, look: (typeof LOOKS)[number]): Promise<string[]> => {
  const { executor, opened } = fakePsql((sql) => (/relkind|nspname/.test(sql) ? [] : [{ may }]));
  const server = { executor, host: '127.0.0.1', port: 5432, user: 'postgres' };
  await createPostgresDatabase({ server, name: 'shop' })[look]?.();
  return opened.map((argv) => {
    const [, name] = /dbname='(\w+)'/.exec(argv.at(-1) ?? '') ?? [];
    return `${name}${argv.at(-1)?.includes(OFF) ? ' without triggers' : ''}`;
  });
};

describe('H104: a trigger at each login makes every backup unusable', () => {
  test.each(LOOKS)('a superuser of PostgreSQL 17 logs in without it: %s', async (look) => {
    const name = look === 'values' ? 'shop_drill' : 'shop';
    expect(await openedBy(true, look)).toEqual(['postgres', `${name} without triggers`]);
  });

  test('an older server is not asked for what it does not know', async () => {
    expect(await openedBy(false, 'fingerprint')).toEqual(['postgres', 'shop']);
  });
});
