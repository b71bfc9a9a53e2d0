import { Readable } from 'node:stream';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { valueDifferences } from '../../src/domain/manifest.js';
import { dump } from '../contract/stack-contract.js';
import { type HostHarness, makeHostHarness } from '../support/host-harness.js';
import { describePostgres } from '../support/postgres.js';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const never = new AbortController().signal;

/** What a restore changes although every count stays the same. */
const TWISTED = `
  CREATE EXTENSION citext;
  CREATE TABLE member (email citext, grade text GENERATED ALWAYS AS (CASE email WHEN 'A@X' THEN 'boss' ELSE 'other' END) STORED);
  INSERT INTO member (email) VALUES ('a@x');
  CREATE VIEW nulls AS SELECT NULLIF(email, 'A@X') IS NULL AS is_boss FROM member;
  CREATE VIEW differing AS SELECT email IS DISTINCT FROM 'A@X' AS differs FROM member;
  CREATE FUNCTION gross(n numeric) RETURNS numeric IMMUTABLE LANGUAGE sql AS 'SELECT n * 1.16';
  CREATE TABLE invoice (id int, net numeric, total numeric GENERATED ALWAYS AS (public.gross(net)) STORED);
  INSERT INTO invoice VALUES (1, 100);
  CREATE OR REPLACE FUNCTION gross(n numeric) RETURNS numeric IMMUTABLE LANGUAGE sql AS 'SELECT n * 1.19';
  INSERT INTO invoice VALUES (2, 100);
  CREATE TABLE q_mail AS SELECT generate_series(1, 100) AS id;
  ALTER EXTENSION citext ADD TABLE q_mail;`;

/** Of every kind that is compared, and the same after every restore. */
const STRAIGHT = `
  CREATE TYPE amount AS (currency text, value money);
  CREATE DOMAIN grade AS text CHECK (VALUE IN ('a', 'b'));
  CREATE TABLE kinds (kind varchar(9) CHECK (kind IN ('x', 'y')), price money, paid amount, g grade, tags text[],
    doubled money GENERATED ALWAYS AS (price * 2) STORED, during tstzrange, waited interval, note xml);
  INSERT INTO kinds VALUES ('x', 234.56, ('EUR', 1), 'a', '{a,NULL}', DEFAULT, '[2026-01-01,)', '-1 day +2 hours', '<a/>'),
    (NULL, NULL, NULL, NULL, NULL, DEFAULT, NULL, NULL, NULL);
  CREATE TABLE parts (day date, total int GENERATED ALWAYS AS (7) STORED) PARTITION BY RANGE (day);
  CREATE TABLE parts_2026 PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
  INSERT INTO parts VALUES ('2026-03-04');
  CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
  CREATE TRIGGER t AFTER INSERT ON parts FOR EACH ROW EXECUTE FUNCTION look();`;

describePostgres('H43: every row is there, and means something else', () => {
  let harness: HostHarness;
  beforeAll(async () => {
    harness = await makeHostHarness();
  });
  afterAll(() => harness?.cleanup());
  beforeEach(() => harness.reset());

  /** How a drill of the database's backup differs from it. */
  const drilled = async (sql: string) => {
    await harness.cluster.psql(sql, 'shop');
    const { database } = harness.stack;
    const { facts, manifest, content } = await dump(database);
    await database.restore(Readable.from([content]), manifest, never, { staging: 'drill' });
    expect(await database.inventory('drill')).toEqual(facts.inventory);
    return { facts, differences: valueDifferences(facts.values, await database.values?.()) };
  };

  test('a drill finds other values and other operators, and the backup counts what it lacks', async () => {
    const { facts, differences } = await drilled(TWISTED);
    const uses = 'expected public.=(public.citext,public.citext), found none';
    expect(differences).toEqual([
      'values of public.invoice are other ones',
      'values of public.member are other ones',
      `what is used by default value for public.member.grade: ${uses}`,
      `what is used by rule "_RETURN" on public.differing: ${uses}`,
      `what is used by rule "_RETURN" on public.nulls: ${uses}`,
    ]);
    expect(facts.values?.uncarried).toEqual({ 'public.q_mail': 100 });
  });

  test('a healthy restore shows no difference', async () => {
    const { facts, differences } = await drilled(STRAIGHT);
    expect(differences).toEqual([]);
    expect(Object.keys(facts.values?.digests ?? {})).toEqual(['public.kinds', 'public.parts_2026']);
  });
});
