import { Readable } from 'node:stream';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { problemsOf } from '../../src/domain/conditions/conditions.js';
import { ColdspareError } from '../../src/domain/errors.js';
import { missingObjects } from '../../src/domain/manifest.js';
import { createHostStack } from '../../src/drivers/host/stack.js';
import { request } from '../../src/operations/commands.js';
import { planPrepare } from '../../src/replication/dumps/prepare.js';
import { nodeFacts } from '../../src/status/node-status.js';
import { dump } from '../contract/stack-contract.js';
import { createFakeNode } from '../support/fake-node.js';
import { type HostHarness, makeHostHarness } from '../support/host-harness.js';
import { describePostgres } from '../support/postgres.js';
import { receive } from '../support/received.js';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const never = new AbortController().signal;

/** Valid on the primary, and refused by every restore: pg_restore works without a search_path. */
const TRIGGER = `
  CREATE EXTENSION ltree;
  CREATE TABLE site (id int PRIMARY KEY, path ltree);
  CREATE FUNCTION cascade_path() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
  CREATE TRIGGER t AFTER UPDATE ON site FOR EACH ROW
    WHEN (OLD.path IS DISTINCT FROM NEW.path) EXECUTE FUNCTION cascade_path();
  INSERT INTO site VALUES (1, 'a.b');`;
const FOREIGN_KEY = `
  CREATE TABLE p (id int PRIMARY KEY);
  CREATE TABLE c (p int REFERENCES p);
  SET session_replication_role = replica;
  INSERT INTO c VALUES (7);`;
const VIEW = `
  CREATE FUNCTION words() RETURNS SETOF text LANGUAGE plpgsql AS $$
    BEGIN
      IF current_setting('shop.open', true) IS NULL THEN RAISE 'closed'; END IF;
      RETURN NEXT 'one';
    END $$;
  SET shop.open = 'yes';
  CREATE MATERIALIZED VIEW words AS SELECT words();`;

describePostgres('H70: the database of the primary cannot be restored as it is', () => {
  let harness: HostHarness;
  beforeAll(async () => {
    harness = await makeHostHarness();
  });
  afterAll(() => harness?.cleanup());
  beforeEach(() => harness.reset());

  test('the object and the reason are told, and whoever says so goes on without it', async () => {
    await harness.cluster.psql(TRIGGER + VIEW + FOREIGN_KEY, 'shop');
    const { database } = createHostStack({
      ...harness.options,
      spool: { folder: harness.directory, jobs: 2 },
    });
    const { manifest, content, facts } = await dump(database);
    const restore = (incomplete: boolean) =>
      database.restore(Readable.from([content]), manifest, never, { incomplete });
    const refusal = await restore(false).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: 'not-restorable' });
    expect(String(refusal)).toMatch(
      /CREATE TRIGGER t .*operator does not exist: public.ltree = public.ltree|ALTER TABLE ONLY public.c|REFRESH MATERIALIZED VIEW public.words/,
    );
    // Rows stay where they are.
    expect(String(refusal)).not.toContain('(7)');

    await restore(true);
    const found = await database.inventory('incoming');
    expect(found.rows).toEqual(facts.inventory.rows);
    expect(missingObjects(facts.inventory, found)).toEqual([
      'constraint public.c.c_p_fkey',
      'materialized view public.words',
      'trigger public.site.t',
    ]);
  });
});

describe('H70: a standby whose every backup is of such a database', () => {
  test('says what is wrong, refuses a takeover, and goes on when a person says so', async () => {
    const { node, database, remove } = await createFakeNode('standby');
    const restore = database.restore.bind(database);
    database.restore = async (content, manifest, signal, options = {}) => {
      if (options.incomplete) return restore(content, manifest, signal, options);
      content.destroy();
      throw new ColdspareError('not-restorable', 'TRIGGER t cannot be restored: it is odd', 'none');
    };
    try {
      await receive(node, 1, 3);
      const newest = await receive(node, 2, 4);
      const prepare = await node.runner.start(planPrepare(node, node.backups.get(newest)), {
        source: 'schedule',
      });
      await node.runner.wait(prepare.id, 10_000);
      expect(node.state.current.unusable).toMatchObject({ backup: newest, code: 'not-restorable' });
      const facts = nodeFacts(node);
      expect(problemsOf({ ...facts, unusable: node.state.current.unusable })).toEqual([
        'not-restorable',
      ]);

      const promote = async (force: boolean) => {
        const command = { force, planned: false, dryRun: false, reason: '' };
        const { id } = await request(node, 'promote', command, { source: 'operator' });
        await node.runner.wait(id, 20_000);
        return node.runner.get(id);
      };
      expect(await promote(false)).toMatchObject({
        error: { code: 'no-backup', remedy: expect.stringContaining('{"force": true}') },
      });
      // Each lacks the same, so the newest one is the best.
      expect(await promote(true)).toMatchObject({
        state: 'done',
        result: { backup: newest, missing: [], rejectedBackups: expect.anything() },
      });
    } finally {
      await remove();
    }
  });
});
