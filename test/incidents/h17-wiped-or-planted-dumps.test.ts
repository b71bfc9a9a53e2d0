import { execFile } from 'node:child_process';
import { copyFile, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/config.js';
import { type Machine, type Pair, serves, standsBy, startPair, TOKENS } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';

const run = promisify(execFile);

const backupsOf = ({ directory }: Machine) => join(directory, 'backups');

describePostgres('H17: dumps that everybody can reach', () => {
  let pair: Pair;
  let good: string[];
  beforeAll(async () => {
    pair = await startPair();
    await backUp(['an order', 'another order']);
  });
  afterAll(() => pair?.remove());

  /** A backup after each. */
  const backUp = async (orders: string[]) => {
    good = [];
    for (const text of orders) {
      await pair.vcl2.write(text);
      const { body } = await pair.vcl2.run('/backups');
      good.unshift(String(body.result?.backup));
    }
  };

  test('they lie in the state directory, and only the agent may read them', async () => {
    for (const machine of [pair.vcl2, pair.vcl3]) {
      const directory = backupsOf(machine);
      expect((await stat(directory)).mode & 0o777).toBe(0o700);
      const files = await readdir(directory);
      expect(files.sort()).toEqual(
        ['.coldspare', ...good.flatMap((id) => [`${id}.dump`, `${id}.json`])].sort(),
      );
      for (const file of files)
        expect((await stat(join(directory, file))).mode & 0o777).toBe(0o600);
    }
  });

  test('a planted dump without a manifest does not exist', async () => {
    const { vcl3 } = pair;
    const planted = join(backupsOf(vcl3), 'ledger_20991231_235959');
    await copyFile(join(backupsOf(vcl3), `${good[0]}.dump`), `${planted}.dump`);
    await vcl3.agent.kill();
    await vcl3.agent.start();

    const { body } = await vcl3.agent.get<{ backups: { id: string }[] }>('/backups', TOKENS.admin);
    expect(body.backups.map(({ id }) => id)).toEqual(good);
    // It may be somebody else's (H46).
    expect((await stat(`${planted}.dump`)).isFile()).toBe(true);
  });

  test('a reboot wipes them: no promote, forced or not, and so no seeds', async () => {
    const { vcl2, vcl3 } = pair;
    await vcl3.agent.kill();
    await rm(backupsOf(vcl3), { recursive: true });
    await vcl3.agent.start();
    await standsBy(vcl3);
    await vcl2.losePower();

    for (const force of [false, true]) {
      const { status, body } = await vcl3.run('/promote', { force });
      expect(status).toBe(409);
      expect(body).toMatchObject({ code: 'no-backup' });
    }
    expect(await vcl3.agent.status()).toMatchObject({ mode: 'standby', epoch: 1 });
    expect(await vcl3.entries()).toBeUndefined();
    await vcl2.agent.start();
    await serves(vcl2);
  });

  test('a planted dump in place of the newest one is never restored: the older one is', async () => {
    const { vcl2, vcl3 } = pair;
    await backUp(['a third order', 'a fourth one']);
    await replaceContent(vcl2, join(backupsOf(vcl3), `${good[0]}.dump`));
    await vcl2.losePower();

    const { body } = await vcl3.run('/promote');

    expect(body).toMatchObject({
      state: 'done',
      result: {
        backup: good[1],
        rejectedBackups: [{ id: good[0], reason: expect.stringContaining('changed on disk') }],
      },
    });
    expect(await vcl3.entries()).toEqual(['SEED', 'an order', 'another order', 'a third order']);
  });
});

/** As many rows, the same sequence, a dump that restores without a word: only its digest tells. */
const replaceContent = async ({ database }: Machine, file: string): Promise<void> => {
  await database.psql('CREATE DATABASE planted');
  await database.psql(
    `CREATE TABLE entries (id serial PRIMARY KEY, text text NOT NULL);
     INSERT INTO entries (text) VALUES ${Array(5).fill("('PLANTED')").join(', ')}`,
    'planted',
  );
  const address = ['-h', '127.0.0.1', '-p', `${database.port}`, '-U', 'postgres'];
  await run('pg_dump', [...address, '-Fc', '-f', file, 'planted']);
};

describe('the default place of backups', () => {
  test('is not one that a reboot wipes', () => {
    const token = (door: string) => door.padEnd(32, '0');
    const { BACKUP_DIR } = loadConfig({
      ...{ NODE_NAME: 'vcl3', INITIAL_ROLE: 'standby', PEER_URL: 'http://vcl2:8080' },
      ...{ DB_NAME: 'ledger', APP_HEALTH_URL: 'http://127.0.0.1:3000/' },
      ...{ PEER_TOKEN: token('p'), ADMIN_TOKEN: token('a'), WEBHOOK_TOKEN: token('w') },
    });
    expect(BACKUP_DIR).toBe('/var/lib/coldspare/backups');
  });
});
