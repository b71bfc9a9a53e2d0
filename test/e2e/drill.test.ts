import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Announcements, receiveAnnouncements } from '../support/announcements.js';
import { eventually, type Machine, type Pair, standsBy, startPair } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';

/** Restoring its index takes long enough for something to come in between. */
const MUCH_DATA = `CREATE TABLE notes AS SELECT md5(random()::text) AS text FROM generate_series(1, 300000);
  CREATE INDEX ON notes (text)`;

const EMPTY = ['postgres', 'template0', 'template1'];

const databasesOf = async (machine: Machine): Promise<string[]> =>
  (await machine.database.psql('SELECT datname FROM pg_database ORDER BY 1')).trim().split('\n');

/** A byte turns in every dump that lies there. */
const rot = async ({ directory }: Machine): Promise<void> => {
  const backups = join(directory, 'backups');
  for (const name of (await readdir(backups)).filter((file) => file.endsWith('.dump'))) {
    const content = await readFile(join(backups, name));
    content.writeUInt8(content.readUInt8(content.length - 50) ^ 1, content.length - 50);
    await writeFile(join(backups, name), content);
  }
};

describePostgres('a drill', () => {
  let pair: Pair;
  let announcements: Announcements;
  beforeEach(async () => {
    announcements = await receiveAnnouncements();
    pair = await startPair({
      env: { DRILL_QUERY: 'SELECT count(*) < 4 FROM entries; -- few' },
      vcl3: { NOTIFY_URLS: announcements.url },
    });
    await pair.vcl2.write('an order');
    await pair.vcl2.do('/backups');
  });
  afterEach(async () => {
    await pair?.remove();
    await announcements?.close();
  });

  test('on VCL3 restores the newest backup, asks what it is told to, and leaves the database cold', async () => {
    const { vcl3 } = pair;
    const { latestBackup } = await vcl3.agent.status();
    const drill = await vcl3.do('/drill');
    const seconds = expect.any(Number);
    expect(drill.result).toEqual({
      at: expect.any(String),
      backup: latestBackup?.id,
      passed: true,
      error: null,
      seconds: {
        start: seconds,
        restore: seconds,
        verify: seconds,
        query: seconds,
        total: seconds,
      },
      takeOverSeconds: seconds,
    });
    expect((await vcl3.agent.status()).lastDrill).toEqual(drill.result);
    await expect(vcl3.database.psql('SELECT 1')).rejects.toThrow(/Connection refused/);
    await vcl3.agent.kill();
    await vcl3.agent.start();
    await standsBy(vcl3);
    expect((await vcl3.agent.status()).lastDrill).toEqual(drill.result);
    await vcl3.database.start();
    expect(await databasesOf(vcl3)).toEqual(EMPTY);
  });

  test('on VCL2 goes on beside the live database, which stays as it is', async () => {
    const { vcl2 } = pair;
    const drill = await vcl2.do('/drill');
    expect(drill.result).toMatchObject({ passed: true, takeOverSeconds: null });
    expect(await databasesOf(vcl2)).toEqual(['ledger', ...EMPTY]);
    expect(await vcl2.entries()).toEqual(['SEED', 'an order']);
    expect(await vcl2.write('another order')).toBe(true);
  });

  test('finds that a backup has gone rotten, or is not what it should be, and says so until one passes', async () => {
    const { vcl2, vcl3 } = pair;
    const failed = (body: unknown) => expect(body).toMatchObject({ passed: false });
    const drill = async () => {
      await vcl3.run('/drill');
      return (await vcl3.agent.status()).lastDrill;
    };
    await rot(vcl3);
    expect((await vcl3.run('/drill')).body).toMatchObject({ code: 'backup-unusable' });
    failed(await drill());
    expect((await vcl3.agent.get('/health')).body).toMatchObject({ problems: ['drill-failed'] });

    await vcl2.write('one more');
    await vcl2.write('one too many');
    await vcl2.do('/backups');
    expect(await drill()).toMatchObject({
      passed: false,
      error: expect.stringContaining('DRILL_QUERY gave false'),
      takeOverSeconds: null,
    });
    const said = () => announcements.received.filter(({ event }) => event === 'drill-failed');
    await eventually('people are told', async () => said().length > 0);

    await vcl2.database.psql('DELETE FROM entries WHERE id > 2', 'ledger');
    await vcl2.do('/backups');
    await vcl3.do('/drill');
    expect((await vcl3.agent.get('/health')).status).toBe(200);
    await eventually('people are told that it is over', async () => said().length > 1);
    expect(said()).toMatchObject([{ severity: 'critical' }, { severity: 'info' }]);
    await vcl3.database.start();
    expect(await databasesOf(vcl3)).toEqual(EMPTY);
  });

  test('makes way for a promote in the middle of its restore, and what it leaves goes away', async () => {
    const { vcl2, vcl3 } = pair;
    await vcl2.database.psql(MUCH_DATA, 'ledger');
    await vcl2.do('/backups');
    await vcl3.agent.post('/drill');
    await eventually('VCL3 is in the middle of it', async () =>
      (await databasesOf(vcl3)).includes('ledger_drill'),
    );
    await vcl2.losePower();

    expect((await vcl3.do('/promote')).state).toBe('done');
    expect(await vcl3.lastOperation('drill', 'rolled-back')).toMatchObject({
      error: { code: 'preempted' },
      result: null,
    });
    expect(await vcl3.entries()).toEqual(['SEED', 'an order']);
    await eventually('the drill has left nothing', async () => {
      const isGone = !(await databasesOf(vcl3)).includes('ledger_drill');
      return isGone && (await vcl3.agent.status()).operation === null;
    });
    expect((await vcl3.agent.status()).lastDrill).toBeNull();
    expect(await databasesOf(vcl3)).toEqual(['ledger', ...EMPTY]);
  });

  test('makes way for a promote while its query runs on and on', async () => {
    const { vcl2, vcl3 } = pair;
    await vcl3.agent.kill();
    await vcl3.agent.start({ DRILL_QUERY: 'SELECT pg_sleep(50) IS NOT NULL' });
    await standsBy(vcl3);
    await vcl3.agent.post('/drill');
    await eventually('the query runs', async () =>
      (await vcl3.agent.status()).operation?.steps.some(({ name }) => name === 'query'),
    );
    await vcl2.losePower();
    const began = performance.now();
    await vcl3.do('/promote');
    expect(performance.now() - began).toBeLessThan(30_000);
    expect(await vcl3.entries()).toEqual(['SEED', 'an order']);
  });

  test('is refused while something else runs', async () => {
    const { vcl3 } = pair;
    await vcl3.inject([{ label: 'promote.confirm', moment: 'before', action: 'hold' }]);
    await vcl3.agent.post('/promote');
    expect((await vcl3.run('/drill')).body).toMatchObject({ code: 'busy' });
    await vcl3.release();
  });
});
