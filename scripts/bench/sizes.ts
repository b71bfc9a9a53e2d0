/** How much the bench puts into a database. */
export interface Size {
  name: string;
  /** Rows of pgbench_accounts, about 150 bytes each with their index. */
  accounts: number;
  /** Rows of a table of text and jsonb, about 500 bytes each with its three indexes. */
  documents: number;
}

/** Half of the data is in the tables of pgbench, half is text and jsonb. */
export const SIZES: readonly Size[] = [
  { name: '10 MB', accounts: 8_000, documents: 2_500 },
  { name: '100 MB', accounts: 300_000, documents: 85_000 },
  { name: '1.2 GB', accounts: 4_000_000, documents: 1_200_000 },
];

/** Arguments of pgbench that make its tables, still empty; its own data comes in steps of 15 MB. */
export const PGBENCH_TABLES = ['--initialize', '--init-steps=dt', '--quiet'];

/** Fills them, and a table of documents as a shop has them. */
export const fillStatements = ({ accounts, documents }: Size): string => `
INSERT INTO pgbench_branches (bid, bbalance) VALUES (1, 0);
INSERT INTO pgbench_tellers (tid, bid, tbalance) SELECT i, 1, 0 FROM generate_series(1, 10) i;
INSERT INTO pgbench_accounts (aid, bid, abalance, filler)
  SELECT i, 1, 0, '' FROM generate_series(1, ${accounts}) i;
ALTER TABLE pgbench_branches ADD PRIMARY KEY (bid);
ALTER TABLE pgbench_tellers ADD PRIMARY KEY (tid);
ALTER TABLE pgbench_accounts ADD PRIMARY KEY (aid);
CREATE TABLE documents (
  id bigserial PRIMARY KEY, customer int NOT NULL, title text NOT NULL, body text NOT NULL,
  attributes jsonb NOT NULL, created_at timestamptz NOT NULL);
INSERT INTO documents (customer, title, body, attributes, created_at)
  SELECT i % 9973, 'Order ' || i,
    repeat('the quick brown fox jumps over the lazy dog ', 1 + i % 9) || md5(i::text),
    jsonb_build_object('sku', 'COF-' || i % 500, 'quantity', i % 7,
      'tags', jsonb_build_array('espresso', 'grind-' || i % 12, 'gift'),
      'note', 'customer asked for oat milk number ' || i % 1000),
    timestamptz '2026-01-01' + i * interval '7 seconds'
  FROM generate_series(1, ${documents}) i;
CREATE INDEX ON documents (customer);
CREATE INDEX ON documents USING gin (attributes jsonb_path_ops);
VACUUM (ANALYZE, PARALLEL 0);
CHECKPOINT;
`;
