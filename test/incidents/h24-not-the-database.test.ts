import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, expect, test } from 'vitest';
import { type Pair, serves, startPair } from '../support/pair.js';
import { describePostgres, freePort } from '../support/postgres.js';

const run = promisify(execFile);
const SERVICE = resolve('test/apps/service.mjs');
const TEMPORARY = resolve('test/apps/initializing-postgres.mjs');

describePostgres('H24: what starts on VCL3 lets everybody in and is not the database', () => {
  let pair: Pair;
  let directory: string;
  afterEach(async () => {
    await pair?.remove();
    await rm(directory, { recursive: true });
  });

  test('pg_isready says yes; the promote goes by a query, and is rolled back in time', async () => {
    directory = await mkdtemp(join(tmpdir(), 'h24-'));
    const port = await freePort();
    const temporary = (action: string) =>
      `env PORT=${port} ${process.execPath} ${SERVICE} ${action} ${directory}/pid ${TEMPORARY}`;
    pair = await startPair({
      vcl3: {
        DB_PORT: `${port}`,
        DB_START_COMMAND: temporary('start'),
        DB_STOP_COMMAND: temporary('stop'),
        DB_START_TIMEOUT: '5s',
      },
    });
    const { vcl2, vcl3 } = pair;
    await vcl2.write('an order');
    await vcl2.run('/backups');
    await vcl2.breakApp();

    const promote = vcl3.run('/promote');
    // While the agent waits, the old script would have gone on.
    const isReady = () => run('pg_isready', ['-h', '127.0.0.1', '-p', `${port}`]).catch(() => {});
    await expect.poll(isReady, { timeout: 30_000 }).toMatchObject({
      stdout: expect.stringContaining('accepting connections'),
    });

    const { body } = await promote;
    expect(body).toMatchObject({ code: 'database-unreachable' });
    const record = await vcl3.lastOperation('promote');
    expect(record).toMatchObject({ state: 'rolled-back', committed: false });
    expect(record?.steps.at(-1)).toMatchObject({ name: 'start-database', state: 'failed' });
    expect(await vcl3.agent.status()).toMatchObject({ mode: 'standby', epoch: 1 });
    expect(await vcl3.entries()).toBeUndefined();

    // VCL2 had been fenced; it has its role back.
    await vcl2.mendApp();
    await serves(vcl2);
    expect(await vcl2.entries()).toEqual(['SEED', 'an order']);

    // Left to come up: nobody can tell that it never will (H60).
    const [program = '', ...args] = temporary('stop').split(' ');
    await run(program, args);
  });
});
