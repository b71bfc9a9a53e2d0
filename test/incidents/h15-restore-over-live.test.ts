import { afterEach, expect, test } from 'vitest';
import { eventually, type Pair, startPair } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';
import { pushDump, readBackup } from '../support/push-dump.js';
import { openSessions, type SessionPool } from '../support/session-pool.js';

describePostgres('H15: a second replication script pushes its dump while VCL3 serves', () => {
  let pair: Pair;
  let pool: SessionPool | undefined;
  afterEach(async () => {
    await pool?.close();
    await pair?.remove();
  });

  test('a node that serves refuses it, and its live sessions notice nothing', async () => {
    pair = await startPair();
    const { vcl2, vcl3 } = pair;
    await vcl2.write('before the outage');
    const { body: backup } = await vcl2.run('/backups');
    const { manifest, dump } = await readBackup(vcl2, backup.result?.backup);
    await vcl2.losePower();
    await vcl3.run('/promote');
    await vcl3.write('during the outage');
    const sessions = openSessions(`postgres://postgres@127.0.0.1:${vcl3.database.port}/ledger`, 2);
    pool = sessions;
    await eventually('the app holds sessions', async () => sessions.open() === 2);

    // Right key, right lineage, an epoch above everybody's: only the role speaks against it.
    const script = { ...manifest, id: 'ledger_20991231_235959', epoch: 99 };
    const { upload, commit } = await pushDump(vcl3, script, dump);

    expect(upload).toMatchObject({ status: 409, body: { code: 'serving' } });
    expect(commit).toMatchObject({ status: 409, body: { code: 'serving' } });
    expect(await vcl3.agent.status()).toMatchObject({ mode: 'primary', epoch: 2, serving: true });
    expect(await vcl3.entries()).toEqual(['SEED', 'before the outage', 'during the outage']);
    expect(sessions.open()).toBe(2);
    expect(sessions.ended()).toBe(0);
  });
});
