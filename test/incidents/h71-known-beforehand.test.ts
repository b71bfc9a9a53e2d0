import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { coldspare } from '../support/cli.js';
import { eventually, type Pair, startPair } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';
import { TOKENS } from '../support/tokens.js';

describePostgres('H71: nothing is wrong, and the next takeover would fail', () => {
  let pair: Pair;
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'h71-'));
    pair = await startPair({ env: { PREPARE: 'on-receive' } });
  });
  afterAll(async () => {
    await pair?.remove();
    await rm(folder, { recursive: true, force: true });
  });

  /** What `coldspare doctor` on VCL2 says. */
  const doctor = async (...more: string[]) => {
    const { vcl2, vcl3 } = pair;
    const { port } = new URL(vcl2.agent.url);
    const env = `HOST=127.0.0.1\nPORT=${port}\nPEER_URL=${vcl3.agent.url}\nADMIN_TOKEN=${TOKENS.admin}\n`;
    await writeFile(join(folder, '.env'), env);
    return coldspare(['doctor', ...more], { cwd: folder });
  };

  const isPrepared = () =>
    eventually('VCL3 has restored the newest backup', async () => {
      const newest = (await pair.vcl2.agent.status()).latestBackup?.id;
      const { prepared, operation } = await pair.vcl3.agent.status();
      return newest !== undefined && prepared === newest && operation === null;
    });

  test('what no backup carries is listed by name, and is no problem', async () => {
    const { vcl2 } = pair;
    await vcl2.database.psql(
      `CREATE ROLE clerk LOGIN PASSWORD 'of the first day';
       CREATE ROLE team; GRANT team TO clerk WITH ADMIN OPTION`,
    );
    await vcl2.database.psql('CREATE DATABASE accounting');
    await vcl2.database.psql(
      `GRANT CREATE ON DATABASE ledger TO clerk; REVOKE CONNECT ON DATABASE ledger FROM PUBLIC;
       ALTER ROLE clerk IN DATABASE ledger SET app.secret = 'hunter2'`,
    );
    // As the agent does on its first day: it looks once after its start, and then from time to time.
    await vcl2.agent.stop();
    await vcl2.agent.start();
    await eventually('VCL2 has looked', async () => (await vcl2.agent.status()).uncarried?.length);
    await vcl2.do('/backups');
    await isPrepared();

    const { out, exit } = await doctor();
    expect(out).toContain('the database accounting');
    expect(out).toContain('GRANT CREATE ON DATABASE ledger TO clerk');
    expect(out).toContain('REVOKE CONNECT ON DATABASE ledger FROM PUBLIC');
    expect(out).toContain('ALTER ROLE clerk IN DATABASE ledger SET app.secret');
    expect(out).toContain('GRANT team TO clerk WITH ADMIN OPTION');
    expect(out).not.toContain('hunter2');
    expect(out).not.toMatch(/_(incoming|before|diverged)/);
    expect(exit).toBe(0);
    expect((await vcl2.agent.get('/health')).status).toBe(200);
  });

  test('asked about the other agent, it compares the two, and not one with itself', async () => {
    const { out } = await doctor('--url', pair.vcl3.agent.url);
    expect(out).toMatch(/^vcl2 /m);
    expect(out).not.toContain('both are standby');
  });

  test('a password that was changed on the primary only is named', async () => {
    const { vcl2 } = pair;
    await vcl2.database.psql("ALTER ROLE clerk PASSWORD 'of the second day'");
    await vcl2.write('so that a new dump is due');
    await vcl2.do('/backups');
    await isPrepared();
    const { out, exit } = await doctor();
    expect(out).toContain('standby-differs');
    expect(out).toContain('the role clerk: password');
    expect(exit).toBe(1);
  });

  test('a preparation that fails is a problem with its reason', async () => {
    const { vcl2, vcl3 } = pair;
    // As client programs that are newer than the server, or an image that is gone.
    await vcl3.inject([{ label: 'prepare.restore', moment: 'before', action: 'fail' }]);
    await vcl2.write('one more');
    await vcl2.do('/backups');
    await eventually('VCL3 has a problem', async () =>
      (await vcl3.agent.status()).problems.includes('prepare-failed'),
    );
    const { out, exit } = await doctor();
    expect(out).toMatch(/vcl3 +prepare-failed: .*injected: prepare\.restore/);
    expect(exit).toBe(1);
  });
});
