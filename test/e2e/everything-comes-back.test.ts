import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Pair, standsBy, startPair } from '../support/pair.js';
import { type Cluster, describePostgres } from '../support/postgres.js';
import { IS_SOAK } from '../support/sample.js';

/** Of customers and orders together. A soak has a million. */
const ROWS = IS_SOAK ? 1_000_000 : 100_000;
const CUSTOMERS = ROWS / 10;
const ORDERS = ROWS - CUSTOMERS - 1_000;

/** A database with one of everything that a dump may stumble over. */
const SCHEMA = `
CREATE ROLE clerk LOGIN PASSWORD 'a secret of the clerk';
CREATE ROLE readers;
GRANT readers TO clerk;
CREATE SCHEMA sales;
CREATE SCHEMA "Ünïcode schema";
CREATE TYPE sales.state AS ENUM ('new', 'paid', 'sent');
CREATE SEQUENCE sales.invoice START 1000 INCREMENT 7;
CREATE TABLE sales.customers (
  id bigserial PRIMARY KEY,
  name text NOT NULL,
  profile jsonb NOT NULL,
  photo bytea,
  initial text GENERATED ALWAYS AS (left(name, 1)) STORED
);
CREATE TABLE sales.orders (
  id bigserial PRIMARY KEY,
  customer bigint NOT NULL REFERENCES sales.customers,
  state sales.state NOT NULL,
  amount numeric(12, 4) NOT NULL,
  placed timestamptz NOT NULL,
  invoice bigint NOT NULL DEFAULT nextval('sales.invoice')
);
CREATE INDEX orders_by_customer ON sales.orders (customer, placed DESC);
CREATE TABLE "Ünïcode schema"."täble ""quoted""" (id int PRIMARY KEY, "großer Wert" text);
ALTER TABLE "Ünïcode schema"."täble ""quoted""" OWNER TO clerk;
GRANT USAGE ON SCHEMA sales TO readers;
GRANT SELECT ON sales.orders TO readers;
CREATE VIEW sales.paid AS SELECT * FROM sales.orders WHERE state = 'paid';
CREATE MATERIALIZED VIEW sales.totals AS SELECT customer, sum(amount) AS total FROM sales.orders GROUP BY customer;
CREATE FUNCTION sales.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.name := trim(NEW.name); RETURN NEW; END $$;
CREATE TRIGGER touch BEFORE INSERT ON sales.customers FOR EACH ROW EXECUTE FUNCTION sales.touch();
INSERT INTO sales.customers (name, profile, photo)
  SELECT 'Kundin Nº ' || n || ' – čaj ☕', jsonb_build_object('n', n, 'tags', jsonb_build_array('ä', n)), decode(md5(n::text), 'hex')
  FROM generate_series(1, ${CUSTOMERS}) n;
INSERT INTO sales.orders (customer, state, amount, placed)
  SELECT 1 + n % ${CUSTOMERS}, (ARRAY['new', 'paid', 'sent'])[1 + n % 3]::sales.state, n / 7.0, timestamptz '2026-01-01 00:00Z' + n * interval '1 second'
  FROM generate_series(1, ${ORDERS}) n;
INSERT INTO "Ünïcode schema"."täble ""quoted""" SELECT n, repeat('ß', n % 50) FROM generate_series(1, 1000) n;
REFRESH MATERIALIZED VIEW sales.totals;
SELECT lo_from_bytea(4711, convert_to(repeat('großes Objekt ', 10000), 'UTF8'));
ALTER DATABASE ledger SET search_path = public, sales;
`;

/** One line a table, in order, with a checksum over every row in order; sequences, owners and large objects too. */
const fingerprint = async (database: Cluster): Promise<string> => {
  const tables = await database.psql(
    `SELECT format('SELECT %L || count(*) || '' '' || coalesce(md5(string_agg(md5(t::text), '''' ORDER BY t::text)), '''') FROM %I.%I t', n.nspname || '.' || c.relname || ' ' || pg_get_userbyid(c.relowner) || ' ', n.nspname, c.relname)
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'v', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 1`,
    'ledger',
  );
  const rows = await database.psql(tables.trim().split('\n').join(';\n'), 'ledger');
  const rest = await database.psql(
    `SELECT schemaname, sequencename, last_value FROM pg_sequences ORDER BY 1, 2;
     SELECT loid, md5(string_agg(data, '' ORDER BY pageno)) FROM pg_largeobject GROUP BY 1;
     SELECT indexdef FROM pg_indexes WHERE schemaname !~ '^pg_' ORDER BY 1;
     SELECT conrelid::regclass, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace::regnamespace::text !~ '^pg_' ORDER BY 1, 2;
     SELECT relname, relacl FROM pg_class WHERE relacl IS NOT NULL AND relnamespace = 'sales'::regnamespace ORDER BY 1;
     SELECT rolname, rolpassword FROM pg_authid WHERE rolname IN ('clerk', 'readers') ORDER BY 1;
     SHOW search_path`,
    'ledger',
  );
  return `${rows}${rest}`;
};

describePostgres(`${ROWS} rows and one of everything`, () => {
  let pair: Pair;
  beforeAll(async () => {
    pair = await startPair({ env: { APP_START_TIMEOUT: '60s' } });
    await pair.vcl2.database.psql(SCHEMA, 'ledger');
  }, 300_000);
  afterAll(() => pair?.remove());

  test('come to VCL3 by a promote and back to VCL2 by a handover, the same to the last bit', async () => {
    const { vcl2, vcl3 } = pair;
    const before = await fingerprint(vcl2.database);
    expect(before).toContain(`\nsales.orders postgres ${ORDERS} `);

    await vcl2.breakApp();
    const promote = await vcl3.run('/promote');
    expect(promote.body).toMatchObject({ state: 'done', result: { fenced: 'fenced' } });
    expect(await fingerprint(vcl3.database)).toBe(before);

    await vcl3.write('during the outage');
    const during = await fingerprint(vcl3.database);
    await vcl2.mendApp();
    await standsBy(vcl2);
    expect((await vcl3.run('/demote')).body).toMatchObject({ state: 'done' });
    expect(await fingerprint(vcl2.database)).toBe(during);
    expect(during).not.toBe(before);
  }, 300_000);
});
