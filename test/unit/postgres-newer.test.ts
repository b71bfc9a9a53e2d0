import { PGlite } from '@electric-sql/pglite';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createRoles, readRoles } from '../../src/drivers/postgres/globals.js';
import { openSession, type PsqlSession } from '../../src/drivers/postgres/psql-session.js';
import { readUncarried } from '../../src/drivers/postgres/uncarried.js';
import { fakePsql } from '../support/fake-psql.js';

/** What PostgreSQL has since 16, in the one of PGlite: the tests' own server may be older. */
let server: PGlite;
const session = {
  select: async <Row>(query: string) => (await server.query<Row>(query)).rows,
  row: async <Row>(query: string) => (await server.query<Row>(query)).rows[0] as Row,
  run: async (statement: string) => void (await server.exec(statement)),
} as PsqlSession;

beforeAll(async () => {
  server = await PGlite.create();
}, 60_000);
afterAll(() => server?.close());
beforeEach(() => server.exec('BEGIN; DROP ROLE IF EXISTS app, boss, minion, team'));
beforeEach(() => () => server.exec('ROLLBACK'));

const ROLES = `
  CREATE ROLE app; CREATE ROLE team; CREATE ROLE boss CREATEROLE;
  GRANT team TO boss WITH ADMIN OPTION;
  SET ROLE boss; CREATE ROLE minion; GRANT team TO app; RESET ROLE;
  GRANT team TO app; GRANT minion TO app WITH INHERIT FALSE;`;

test('whoever creates a role is no member of it on the other server, and each membership counts once', async () => {
  await server.exec(ROLES);
  const roles = await readRoles(session);
  expect(roles.map(({ name, memberOf }) => [name, memberOf])).toEqual([
    ['app', ['minion', 'team']],
    ['boss', ['team']],
    ['minion', []],
    ['postgres', []],
    ['team', []],
  ]);
  expect(await createRoles(session, roles)).toEqual([]);
  expect(await readUncarried(session)).toEqual(
    expect.arrayContaining([
      'GRANT minion TO boss WITH ADMIN OPTION',
      'GRANT minion TO app WITH INHERIT false, SET true',
    ]),
  );
});

test('no session has the transaction time-out of its role', async () => {
  let said = '';
  const { executor } = fakePsql((sql) => {
    said = sql;
    return [];
  });
  const fake = openSession({ executor, host: '', port: 1, user: '' }, 'shop', { timeout: 5_000 });
  await fake.limit(1_000);
  await fake.close();
  await server.exec("SET LOCAL transaction_timeout = '5s'");
  await server.exec(said.slice(0, said.indexOf('\\echo')));
  const { rows } = await server.query('SHOW transaction_timeout');
  expect(rows).toEqual([{ transaction_timeout: '0' }]);
});
