import { describe, expect, test } from 'vitest';
import { createService } from '../../src/drivers/host/service.js';
import { createPostgresDatabase } from '../../src/drivers/postgres/database.js';
import { withSession } from '../../src/drivers/postgres/psql-session.js';
import { lastLines } from '../../src/drivers/program-streams.js';
import { localExecutor } from '../../src/drivers/run-command.js';
import { fakePsql } from '../support/fake-psql.js';

/** How the agent tells what the server says. */
const told = (said: string): Promise<unknown> => {
  const { executor } = fakePsql((sql) => (sql.includes('pg_class') ? said : [{}]));
  const server = { executor, host: '127.0.0.1', port: 5432, user: 'postgres' };
  return withSession(server, 'shop', { timeout: 1_000 }, (session) =>
    session.run('LOCK TABLE pg_class'),
  ).catch((error: unknown) => error);
};

describe('H73: what PostgreSQL advises is lost, and something else is advised', () => {
  test.each([
    ['out of shared memory', 'raise max_locks_per_transaction'],
    ['database "postgres" does not exist', 'the server works, but that database is missing'],
    ['sorry, too many clients already', 'raise max_connections'],
    ['password authentication failed for user "shop"', 'check DB_USER and DB_PASSWORD'],
    ['no pg_hba.conf entry for host "10.0.0.1"', 'pg_hba.conf'],
    ['something that nobody has seen', "see PostgreSQL's log"],
  ])('%s', async (said, remedy) => {
    expect(await told(said)).toMatchObject({
      code: 'database-failed',
      message: expect.stringContaining(said),
      remedy: expect.stringContaining(remedy),
    });
  });

  test('the reason of a start that failed is kept above the twenty lines after it', () => {
    const log = [
      'waiting for server to start....',
      'FATAL:  could not map anonymous shared memory: Cannot allocate memory',
      'HINT:  This error usually means that PostgreSQL has asked for too much memory.',
      ...Array.from({ length: 20 }, (_, n) => `LOG:  line ${n}`),
      'pg_ctl: could not start server',
      'Examine the log output.',
    ].join('\n');
    expect(lastLines(log)).toMatch(
      /^waiting .*\nFATAL: .*\nHINT: .*\n[\s\S]*could not start server/,
    );
  });

  test('a start command whose reason is known says what to do about it', async () => {
    const { start } = createService({
      executor: localExecutor,
      commands: { start: `sh -c "echo 'FATAL:  out of shared memory' >&2; exit 1"`, stop: 'true' },
      timeouts: { start: 20_000, stop: 20_000 },
      isRunning: async () => false,
      code: 'database-failed',
      address: '127.0.0.1:5432',
    });
    await expect(start(new AbortController().signal)).rejects.toMatchObject({
      message: expect.stringContaining('out of shared memory'),
      remedy: expect.stringContaining('max_locks_per_transaction'),
    });
  });

  test('without the database postgres the server is not taken for dead: template1 will do', async () => {
    const { executor, opened } = fakePsql(() => [{ one: 1, comment: null }], ['postgres']);
    const server = { executor, host: '127.0.0.1', port: 5432, user: 'postgres' };
    const database = createPostgresDatabase({ server, name: 'shop' });
    expect(await database.answers()).toBe(true);
    expect(await database.live()).toMatchObject({ exists: true });
    const names = opened.map((argv) => /dbname='(\w+)'/.exec(argv.at(-1) ?? '')?.[1]);
    expect(names).toEqual(['postgres', 'template1', 'template1']);
  });
});
