import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import type { AgentProcess } from '../../scripts/lib/agent-process.js';
import { eventually, type Pair, startPair } from '../support/pair.js';
import { describePostgres, freePort } from '../support/postgres.js';

describePostgres('H18: a second agent is started on VCL3, of another version perhaps', () => {
  let pair: Pair;
  let second: AgentProcess | undefined;
  afterEach(async () => {
    await second?.kill();
    await pair?.remove();
  });

  test('it exits and says which pid works there; the first goes on alone', async () => {
    pair = await startPair();
    const { vcl2, vcl3 } = pair;
    await vcl2.run('/backups');
    const log = join(vcl3.directory, 'second.log');
    second = vcl3.agent.twin({ PORT: `${await freePort()}`, MONITOR: 'on' }, log);

    await expect(second.start()).rejects.toThrow('did not start');

    expect(await readFile(log, 'utf8')).toContain(
      `another agent uses ${vcl3.directory}: vcl3, pid ${vcl3.agent.pid}, since `,
    );
    await vcl2.breakApp();
    await vcl3.run('/promote');
    const promotes = (await vcl3.agent.operations()).filter(({ kind }) => kind === 'promote');
    expect(promotes).toMatchObject([{ state: 'done', source: 'operator' }]);

    // The lock goes with its holder, however that ends.
    await vcl3.agent.kill();
    await second.start();
    await eventually('the second one serves', async () => (await second?.status())?.serving);
  });
});
