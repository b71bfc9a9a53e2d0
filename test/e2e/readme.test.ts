import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Pair, standsBy, startPair, TOKENS } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';

const run = promisify(execFile);

/** The commands of the README that call an agent, word for word. */
const commands = [...readFileSync('README.md', 'utf8').matchAll(/```sh\n([\s\S]*?)```/g)]
  .map(([, block = '']) => block)
  .filter((block) => block.includes('curl'));

describePostgres('the commands of the README, word for word', () => {
  let pair: Pair;
  beforeAll(async () => {
    pair = await startPair();
  });
  afterAll(() => pair?.remove());

  /** Runs a block as it stands, in a shell where only the three variables are set. */
  const type = async (block: string): Promise<string> => {
    const { stdout } = await run('sh', ['-euc', block], {
      env: {
        PATH: process.env.PATH ?? '',
        VCL2: pair.vcl2.agent.url,
        VCL3: pair.vcl3.agent.url,
        ADMIN_TOKEN: TOKENS.admin,
      },
    });
    return stdout;
  };

  test('the five steps prove a pair', async () => {
    const { vcl2, vcl3 } = pair;
    const [list = '', trigger = '', promote = '', check = '', back = ''] = commands;
    expect(commands).toHaveLength(6);
    await vcl2.write('an order');

    expect(JSON.parse(await type(list))).toEqual({ backups: [], quarantined: [] });
    const backup = JSON.parse(await type(trigger));
    expect(backup).toMatchObject({ kind: 'backup', state: 'done' });
    expect(JSON.parse(await type(list)).backups).toMatchObject([{ id: backup.result.backup }]);

    await vcl2.write('an order after the backup');
    await vcl2.breakApp();
    expect(JSON.parse(await type(promote))).toMatchObject({ kind: 'promote', state: 'done' });
    expect(await vcl3.entries()).toEqual(['SEED', 'an order', 'an order after the backup']);
    expect(JSON.parse(await type(check)).operations).toMatchObject([{ kind: 'promote' }]);
    await vcl3.write('an order during the outage');

    await vcl2.mendApp();
    await standsBy(vcl2);
    expect(JSON.parse(await type(back))).toMatchObject({ kind: 'handover', state: 'done' });
    expect(await vcl2.entries()).toEqual([
      'SEED',
      'an order',
      'an order after the backup',
      'an order during the outage',
    ]);
    expect(await vcl3.entries()).toBeUndefined();
  });

  test('the other everyday tasks', async () => {
    const answers = await type(commands[5] ?? '');
    for (const word of [
      '"epoch"',
      '"problems"',
      '"wouldRun"',
      '"until"',
      '"takeOverSeconds"',
      '"operations"',
    ]) {
      expect(answers).toContain(word);
    }
    expect((await pair.vcl3.agent.status()).pause).toBeNull();
  });
});
