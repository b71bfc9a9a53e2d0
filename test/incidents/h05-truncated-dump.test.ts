import { createHash } from 'node:crypto';
import { appendFile, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Manifest } from '../../src/domain/manifest.js';
import type { OperationRecord } from '../../src/domain/operation.js';
import { eventually, type Pair, serves, startPair, TOKENS } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';

/** Random, so that no compression makes it small. */
const MANY_ROWS = `CREATE TABLE notes AS SELECT md5(random()::text) AS text FROM generate_series(1, 40000)`;
const BROKEN = 'ledger_20991231_235959';
const headers = { authorization: `Bearer ${TOKENS.peer}` };

describePostgres('H05: the newest dump is not whole', () => {
  let pair: Pair;
  beforeEach(async () => {
    pair = await startPair();
    await pair.vcl2.database.psql(MANY_ROWS, 'ledger');
  });
  afterEach(() => pair?.remove());

  const backUp = async () => String((await pair.vcl2.do('/backups')).result?.backup);
  const directory = () => join(pair.vcl3.directory, 'backups');
  const contentOf = async (id: string): Promise<Buffer> => {
    const answer = await fetch(`${pair.vcl3.agent.url}/backups/${id}/content`, { headers });
    return Buffer.from(await answer.arrayBuffer());
  };

  /** VCL3 gets `content` as a backup of its own, whose manifest promises what that of `promised` does. */
  const deliver = async (content: Buffer, promised: string): Promise<void> => {
    const { agent } = pair.vcl3;
    const manifest = (await agent.get<Manifest>(`/backups/${promised}`, TOKENS.peer)).body;
    const sha256 = createHash('sha256').update(content).digest('hex');
    const url = `${agent.url}/backups/${BROKEN}`;
    expect((await fetch(url, { method: 'PUT', headers, body: content })).status).toBe(201);
    const sequence = manifest.sequence + 1;
    const body = { ...manifest, id: BROKEN, sequence, bytes: content.length, sha256 };
    expect((await agent.call('POST', `/backups/${BROKEN}/commit`, { headers, body })).status).toBe(
      201,
    );
  };

  test('VCL2 dies in the middle of the copy: the cut upload is no backup', async () => {
    const { vcl2, vcl3, link } = pair;
    await vcl2.write('in the good backup');
    const good = await backUp();
    await vcl2.write('in the cut one');
    const { length } = await contentOf(good);
    link.toVcl3.agent.cut(0.6 * length);
    await vcl2.agent.post('/backups');
    await eventually('half of it has arrived', async () => {
      const part = (await readdir(directory())).find((name) => name.endsWith('.part')) ?? '';
      return (await stat(join(directory(), part))).size > 0.5 * length;
    });
    await vcl2.losePower();

    expect((await vcl3.do('/promote')).result).toMatchObject({ backup: good, rejectedBackups: [] });
    expect(await vcl3.entries()).toEqual(['SEED', 'in the good backup']);
    expect(await vcl3.database.psql('SELECT count(*) FROM notes', 'ledger')).toBe('40000\n');
  });

  test('the last dump of VCL2 is damaged: nothing older takes its place, and VCL2 goes on', async () => {
    const { vcl2, vcl3 } = pair;
    await vcl2.write('in the older backup');
    const older = await backUp();
    await vcl2.write('only in the last dump');
    await vcl2.breakApp();
    await vcl3.inject([{ label: 'promote.choose-backup', moment: 'before', action: 'hold' }]);
    const { body } = await vcl3.agent.post<OperationRecord>('/promote');
    await eventually('the last dump is here', async () => (await vcl3.hits()).length > 0);
    const last = (await vcl3.agent.status()).latestBackup?.id;
    expect(last).not.toBe(older);
    await appendFile(join(directory(), `${last}.dump`), 'a bit of another file');
    await vcl3.release();

    await eventually('the promote has ended', async () => {
      const { state } = await vcl3.agent.operation(body.id);
      return state !== 'running';
    });
    expect(await vcl3.agent.operation(body.id)).toMatchObject({
      state: 'refused',
      error: { code: 'backup-unusable', message: expect.stringContaining('last dump') },
    });
    await vcl2.mendApp();
    await serves(vcl2);
    expect(await vcl2.entries()).toEqual(['SEED', 'in the older backup', 'only in the last dump']);
  });

  test.each([
    {
      damage: 'it was cut before anybody took its digest',
      deliverBroken: async (_older: string, newest: string) => {
        const whole = await contentOf(newest);
        await deliver(whole.subarray(0, 0.95 * whole.length), newest);
      },
      reason: /cannot be restored/,
    },
    {
      damage: 'it restores without an error, and a row is missing',
      deliverBroken: async (older: string, newest: string) =>
        deliver(await contentOf(older), newest),
      reason: /public\.entries: expected 3 rows, found 2 rows/,
    },
    {
      damage: 'it was replaced on the disk after its commit',
      deliverBroken: async (older: string, newest: string) => {
        await deliver(await contentOf(newest), newest);
        await writeFile(join(directory(), `${BROKEN}.dump`), await contentOf(older));
      },
      reason: /changed on disk/,
    },
  ])('a committed dump is damaged: $damage', async ({ deliverBroken, reason }) => {
    const { vcl2, vcl3 } = pair;
    await vcl2.write('in the older backup');
    const older = await backUp();
    await vcl2.write('in the newest good backup');
    const newest = await backUp();
    await deliverBroken(older, newest);
    await vcl2.losePower();

    expect((await vcl3.do('/promote')).result).toMatchObject({
      backup: newest,
      rejectedBackups: [{ id: BROKEN, reason: expect.stringMatching(reason) }],
    });
    expect(await vcl3.entries()).toEqual([
      'SEED',
      'in the older backup',
      'in the newest good backup',
    ]);
  });
});
