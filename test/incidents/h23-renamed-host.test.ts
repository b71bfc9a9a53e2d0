import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Pair, standsBy, startPair } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';

describePostgres('H23: a rename left VCL3 with a configuration that names nobody', () => {
  let pair: Pair;
  beforeAll(async () => {
    pair = await startPair();
    await pair.vcl3.agent.stop();
  });
  afterAll(() => pair?.remove());

  test.each([
    ['a peer that is not named', { PEER_URL: '' }, 'PEER_URL is required'],
    ['a peer without its scheme', { PEER_URL: 'vcl2:8080' }, 'PEER_URL="vcl2:8080": must be a URL'],
    ['a role that there is not', { INITIAL_ROLE: 'backup' }, 'INITIAL_ROLE="backup": '],
    ['a database that is not named', { DB_NAME: '' }, 'DB_NAME is required'],
    ['a stack of another time', { STACK: 'kubernetes' }, 'STACK="kubernetes": '],
    ['no command to start the app', { APP_START_COMMAND: '' }, 'APP_START_COMMAND is required'],
    [
      'a key that is too short',
      { PEER_TOKEN: 'hunter2' },
      'PEER_TOKEN=(secret): must have at least',
    ],
  ])('%s: it does not start, and says which variable', async (_, wrong, says) => {
    const { vcl2, vcl3 } = pair;
    const log = join(vcl3.directory, 'agent.log');
    const before = (await readFile(log, 'utf8')).length;

    await expect(vcl3.agent.start(wrong)).rejects.toThrow('did not start');

    const said = (await readFile(log, 'utf8')).slice(before);
    expect(said).toContain(says);
    expect(said).not.toContain('hunter2');
    expect(await vcl3.entries()).toBeUndefined();
    expect(await vcl2.agent.status()).toMatchObject({ mode: 'primary', serving: true });
  });

  test('a peer that is itself is nobody: it says so, and takes nothing over', async () => {
    const { vcl2, vcl3 } = pair;
    await vcl3.agent.start({ PEER_URL: vcl3.agent.url });
    await standsBy(vcl3);
    const refused = await vcl3.run('/promote');
    expect(refused.body).toMatchObject({ code: 'primary-healthy' });
    expect((await vcl3.agent.status()).peer).toMatchObject({
      reachable: false,
      error: expect.stringContaining('PEER_URL must lead to the other'),
    });
    expect(await vcl2.agent.status()).toMatchObject({ mode: 'primary', serving: true });
  });
});
