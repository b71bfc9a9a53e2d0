import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Bench } from './bench.js';
import type { Measured, Row } from './figures.js';
import { typeLine } from './old-way.js';
import type { Shop } from './shop.js';

const MB = 1_000_000;
/** Milliseconds after which a session's counters are in the statistics of its database. */
const COUNTED = 2_000;

/** A session of the dump that holds a snapshot. */
const DUMPING = `backend_xmin IS NOT NULL AND application_name ~ '^(coldspare|pg_dump)' AND pid <> pg_backend_pid()`;

/** Looks a hundred times a second, from before the dump until three seconds after it. */
const WATCH = `
DO $$
DECLARE age float; longest float := 0; quiet int := 0;
BEGIN
  FOR look IN 1..360000 LOOP
    PERFORM pg_sleep(0.01);
    PERFORM pg_stat_clear_snapshot();
    SELECT max(extract(epoch FROM clock_timestamp() - xact_start)) INTO age FROM pg_stat_activity WHERE ${DUMPING};
    quiet := CASE WHEN age IS NULL THEN quiet + 1 ELSE 0 END;
    longest := greatest(longest, age);
    EXIT WHEN longest > 0 AND quiet > 300;
  END LOOP;
  PERFORM set_config('bench.longest', longest::text, false);
END $$;
SELECT current_setting('bench.longest')`;

const ALTER = `
CREATE TEMP TABLE began AS SELECT clock_timestamp() AS at;
ALTER TABLE documents ADD COLUMN note text;
SELECT extract(epoch FROM clock_timestamp() - at) FROM began;
ALTER TABLE documents DROP COLUMN note`;

/** What a backup costs the primary while users are served, in turns with a bare pg_dump. */
export const measurePrimaryCost = async (bench: Bench): Promise<Measured[]> => {
  const { shop, runs, size } = bench;
  const ours = noCosts();
  const bare = noCosts();
  const backUp = () => shop.run(shop.vcl2, '/backups');
  const dumpBare = () =>
    typeLine(
      shop.vcl2.project,
      'docker compose exec -T db pg_dump --username=postgres -Fc -Z1 coffee_dev > "$1"',
      join(bench.directory, 'bare.dump'),
    );
  for (let turn = 1; turn <= runs; turn += 1) {
    bench.say(`cost for the primary ${turn} of ${runs}`);
    await measure(shop, backUp, ours);
    await measure(shop, dumpBare, bare);
  }
  const row = (what: string, unit: string, cost: keyof Costs): Row => ({
    ...{ what, size, unit, ours: ours[cost] },
    baseline: { name: 'pg_dump -Fc -Z1 > file', runs: bare[cost] },
  });
  return [
    {
      title: 'What a tick costs the primary',
      rows: [
        row('snapshot is held', 's', 'snapshot'),
        row('read from tables and indexes', 'MB', 'read'),
        {
          ...row('ALTER TABLE during the dump waits', 's', 'wait'),
          ...bench.wanted({ value: 2 }),
        },
      ],
    },
  ];
};

type Costs = Record<'snapshot' | 'read' | 'wait', number[]>;

const noCosts = (): Costs => ({ snapshot: [], read: [], wait: [] });

const measure = async (
  shop: Shop,
  dump: () => Promise<unknown>,
  { snapshot, read, wait }: Costs,
): Promise<void> => {
  const [longest] = await Promise.all([shop.sql(WATCH), dump()]);
  snapshot.push(Number(longest));

  const before = await readBytes(shop);
  await dump();
  read.push(((await readBytes(shop)) - before) / MB);

  const [waited] = await Promise.all([snapshotIsHeld(shop).then(() => shop.sql(ALTER)), dump()]);
  wait.push(Number(waited));
};

/** Pages that were asked for, wherever they came from: what the cache holds differs from machine to machine. */
const readBytes = async (shop: Shop): Promise<number> => {
  await pause(COUNTED);
  const asked = `SELECT (blks_hit + blks_read) * 8192 FROM pg_stat_database WHERE datname = 'coffee_dev'`;
  return Number(await shop.sql(asked));
};

/** Gives up after a while: a small dump may be over before the first look. */
const snapshotIsHeld = async (shop: Shop): Promise<void> => {
  for (let look = 0; look < 20; look += 1) {
    const held = await shop.sql(`SELECT count(*) FROM pg_stat_activity WHERE ${DUMPING}`);
    if (held !== '0') return;
  }
};
