import { copyFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Authority, createAuthority, environmentOf, renew } from '../support/certificates.js';
import { eventually, type Pair, serves, standsBy, startPair, TOKENS } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';

describePostgres('a pair with the certificates of the manual', () => {
  let authority: Authority;
  let strangers: Authority;
  let pair: Pair;
  beforeAll(async () => {
    // The test plays people who leave the server's certificate unchecked. The agents check each other's.
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
    [authority, strangers] = await Promise.all([createAuthority(), createAuthority()]);
    pair = await startPair({
      env: { PREPARE: 'on-receive' },
      vcl2: environmentOf(authority.files('vcl2')),
      vcl3: environmentOf(authority.files('vcl3')),
    });
  });
  afterAll(async () => {
    await pair?.remove();
    await Promise.all([authority.remove(), strangers.remove()]);
    delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
  });

  test('speaks TLS and nothing else', async () => {
    const { agent } = pair.vcl2;
    expect(agent.url).toMatch(/^https:/);
    await expect(fetch(agent.url.replace('https:', 'http:'))).rejects.toThrow();
    expect((await agent.get('/primary')).status).toBe(200);
  });

  test('the peer’s key without a certificate opens nothing', async () => {
    for (const { agent } of [pair.vcl2, pair.vcl3]) {
      const { status, body } = await agent.get('/status', TOKENS.peer);
      expect(status).toBe(403);
      expect(body).toMatchObject({ code: 'certificate-needed' });
    }
  });

  test('certificates are changed in the middle of a push, which goes through', async () => {
    const { vcl2, vcl3 } = pair;
    await vcl2.write('an order');
    await vcl2.database.psql(
      "CREATE TABLE noise AS SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 300000)",
      'ledger',
    );
    const gate = pair.link.toVcl3.agent;
    const release = new Promise<() => void>((resolve) => {
      let moved = 0;
      gate.tap = (_connection, isInward, chunk) => {
        if (isInward) moved += chunk.length;
        if (moved < 1_000_000) return;
        gate.tap = undefined;
        resolve(gate.hold());
      };
    });
    const backup = vcl2.do('/backups');
    const goOn = await release;
    await Promise.all([renew(authority.files('vcl2'), 30), renew(authority.files('vcl3'), 30)]);
    for (const { directory } of [vcl2, vcl3])
      await eventually('it has taken up the new certificate', async () =>
        (await readFile(join(directory, 'agent.log'), 'utf8')).includes(
          'a new certificate is in use',
        ),
      );
    goOn();
    const { result } = await backup;
    expect((await vcl3.agent.status()).latestBackup?.id).toBe(result?.backup);
  });

  test('the whole way: a rescue to VCL3, and back to VCL2', async () => {
    const { vcl2, vcl3 } = pair;
    await vcl2.write('a second order');
    await vcl2.breakApp();
    await eventually('VCL2’s app is down', async () => !(await vcl2.agent.status()).serving);
    await vcl3.do('/promote');
    expect(await vcl3.entries()).toEqual(['SEED', 'an order', 'a second order']);
    await vcl2.mendApp();
    await standsBy(vcl2);
    await vcl3.do('/demote');
    await serves(vcl2);
    expect(await vcl2.entries()).toEqual(['SEED', 'an order', 'a second order']);
  });

  test('a certificate of another authority cuts the two off, and both say why', async () => {
    const { vcl2, vcl3 } = pair;
    const [ours, other] = [authority.files('vcl3'), strangers.files('vcl3')];
    await Promise.all([
      copyFile(ours.cert, `${ours.cert}.own`),
      copyFile(ours.key, `${ours.key}.own`),
    ]);
    await Promise.all([copyFile(other.cert, ours.cert), copyFile(other.key, ours.key)]);
    await eventually('VCL2 does not believe VCL3', async () => {
      const { peer } = await vcl2.agent.status();
      return !peer.reachable && peer.error?.includes('certificate');
    });
    await eventually('VCL3 knows that its certificate is not taken', async () => {
      const { peer } = await vcl3.agent.status();
      return !peer.reachable && peer.error?.includes('no certificate of TLS_CA');
    });
    await Promise.all([
      copyFile(`${ours.cert}.own`, ours.cert),
      copyFile(`${ours.key}.own`, ours.key),
    ]);
    await eventually('both believe each other', async () => {
      const [first, second] = await Promise.all([vcl2.agent.status(), vcl3.agent.status()]);
      return first.peer.reachable && second.peer.reachable;
    });
  });
});
