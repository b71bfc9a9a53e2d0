import { createHash } from 'node:crypto';
import { readdir, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Manifest } from '../../src/pure/manifest.js';
import { eventually, type Pair, startPair, TOKENS } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';

/** Random, so that no compression makes it small. */
const MANY_ROWS = `CREATE TABLE notes AS SELECT md5(random()::text) AS text FROM generate_series(1, 40000)`;

describePostgres('H05: the newest dump is not whole', () => {
  let pair: Pair;
  let good: string;
  beforeEach(async () => {
    pair = await startPair();
    const { vcl2 } = pair;
    await vcl2.database.psql(MANY_ROWS, 'ledger');
    await vcl2.write('in the good backup');
    good = String((await vcl2.do('/backups')).result?.backup);
    await vcl2.write('in the newest backup');
  });
  afterEach(() => pair.remove());

  const directory = () => join(pair.vcl3.directory, 'backups');

  const takesOverFromTheGoodOne = async (reason: RegExp | undefined) => {
    const { vcl2, vcl3 } = pair;
    await vcl2.losePower();
    const { body } = await vcl3.run('/promote');
    expect(body).toMatchObject({ state: 'done', result: { backup: good } });
    const rejected = body.result?.rejectedBackups as { reason: string }[];
    expect(rejected.map((one) => one.reason)).toEqual(
      reason === undefined ? [] : [expect.stringMatching(reason)],
    );
    expect(await vcl3.entries()).toEqual(['SEED', 'in the good backup']);
    expect(await vcl3.database.psql('SELECT count(*) FROM notes', 'ledger')).toBe('40000\n');
  };

  test('VCL2 dies in the middle of the copy: the cut upload is no backup', async () => {
    const { vcl2, vcl3, link } = pair;
    const { bytes } = (await vcl3.agent.get<Manifest>(`/backups/${good}`, TOKENS.admin)).body;
    link.toVcl3.agent.cut(0.6 * bytes);
    await vcl2.agent.post('/backups');
    await eventually('half of it has arrived', async () => {
      const part = (await readdir(directory())).find((name) => name.endsWith('.part')) ?? '';
      return (await stat(join(directory(), part))).size > 0.5 * bytes;
    });

    await takesOverFromTheGoodOne(undefined);
  });

  test('a committed dump is cut on the disk: it is not what was committed', async () => {
    const { vcl2, vcl3 } = pair;
    const newest = (await vcl2.do('/backups')).result?.backup;
    const { bytes } = (await vcl3.agent.get<Manifest>(`/backups/${newest}`, TOKENS.admin)).body;
    await truncate(join(directory(), `${newest}.dump`), Math.floor(0.95 * bytes));

    await takesOverFromTheGoodOne(/changed on disk|cannot be restored/);
  });

  test('a dump restores without an error but rows are missing: it is not what was counted', async () => {
    const { vcl2, vcl3 } = pair;
    const newest = String((await vcl2.do('/backups')).result?.backup);
    const manifest = await vcl2.agent.get<Manifest>(`/backups/${newest}`, TOKENS.peer);
    await copyAsNewest(good, manifest.body);

    await vcl2.losePower();
    const { body } = await vcl3.run('/promote');
    expect(body).toMatchObject({
      state: 'done',
      result: {
        backup: newest,
        rejectedBackups: [{ reason: expect.stringContaining('public.entries: expected 3 rows') }],
      },
    });
    expect(await vcl3.entries()).toEqual(['SEED', 'in the good backup', 'in the newest backup']);
  });

  /** Sends the content of `id` to VCL3 under a manifest that promises more, with a digest that is right. */
  const copyAsNewest = async (id: string, promised: Manifest): Promise<void> => {
    const { vcl2, vcl3 } = pair;
    const headers = { authorization: `Bearer ${TOKENS.peer}` };
    const answer = await fetch(`${vcl2.agent.url}/backups/${id}/content`, { headers });
    const content = Buffer.from(await answer.arrayBuffer());
    const lying: Manifest = {
      ...promised,
      id: 'ledger_20991231_235959',
      sequence: promised.sequence + 1,
      bytes: content.length,
      sha256: createHash('sha256').update(content).digest('hex'),
    };
    const url = `${vcl3.agent.url}/backups/${lying.id}`;
    expect((await fetch(url, { method: 'PUT', headers, body: content })).status).toBe(201);
    const commit = await vcl3.agent.call('POST', `/backups/${lying.id}/commit`, {
      token: TOKENS.peer,
      body: lying,
    });
    expect(commit.status).toBe(201);
  };
});
