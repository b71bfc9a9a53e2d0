import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DryRun } from '../../src/domain/answers.js';
import { ColdspareError, type ErrorCode } from '../../src/domain/errors.js';
import { type InProcessPair, startInProcessPair } from '../support/in-process-pair.js';
import { eventually, serves } from '../support/pair.js';

describe('H72: a handover to a standby that is known to be unable to restore', () => {
  let pair: InProcessPair;
  /** Why VCL3 cannot restore; undefined when it can. */
  let trouble: ErrorCode | undefined;
  beforeAll(async () => {
    pair = await startInProcessPair({ PREPARE: 'on-receive' });
    const { database } = pair.vcl3;
    const restore = database.restore.bind(database);
    database.restore = async (...args) => {
      if (trouble === undefined) return restore(...args);
      throw new ColdspareError(trouble, 'pg_restore: no such extension: wonder', 'install it');
    };
  });
  afterAll(() => pair?.remove());

  /** A new backup, which VCL3 has tried to restore. */
  const tryNewBackup = async (problem: string | undefined) => {
    await pair.vcl2.write(`for ${problem}`);
    await pair.vcl2.do('/backups');
    await eventually('VCL3 says how it stands', async () => {
      const { problems, latestBackup, prepared } = await pair.vcl3.agent.status();
      return problem === undefined ? prepared === latestBackup?.id : problems.includes(problem);
    });
  };
  const dryRun = async (node: 'vcl2' | 'vcl3', path: string, body = {}): Promise<DryRun> =>
    (await pair[node].agent.post<DryRun>(path, { ...body, dryRun: true })).body;

  test.each<[ErrorCode, string]>([
    ['database-failed', 'prepare-failed'],
    ['backup-unusable', 'backup-unusable'],
  ])(
    '%s at VCL3: dry runs and demote refuse, and the app is never touched',
    async (code, problem) => {
      trouble = undefined;
      await tryNewBackup(undefined);
      expect(await dryRun('vcl2', '/demote')).toMatchObject({ wouldRun: true });

      trouble = code;
      await tryNewBackup(problem);
      const refusal = {
        code: 'peer-not-ready',
        message: expect.stringContaining('no such extension: wonder'),
      };
      expect(await dryRun('vcl2', '/demote')).toMatchObject({
        wouldRun: false,
        refusal,
        loss: null,
      });
      expect(await dryRun('vcl3', '/promote', { planned: true })).toMatchObject({
        ...{ wouldRun: false, refusal, loss: null },
      });

      expect(await dryRun('vcl3', '/promote')).toMatchObject({ wouldRun: false });

      let stops = 0;
      const { app } = pair.vcl2;
      const stop = app.stop.bind(app);
      app.stop = () => {
        stops += 1;
        return stop();
      };
      const { body } = await pair.vcl2.run('/demote');
      expect(body).toMatchObject({ code: 'peer-not-ready' });
      expect(stops).toBe(0);
      app.stop = stop;
      await serves(pair.vcl2);
    },
  );

  test('a dump that fails on the primary: the same', async () => {
    trouble = undefined;
    await tryNewBackup(undefined);
    const { database } = pair.vcl2;
    const dump = database.dump.bind(database);
    database.dump = async () => {
      throw new ColdspareError('database-failed', 'pg_dump: server version mismatch', 'update it');
    };
    await pair.vcl2.write('one more');
    await pair.vcl2.run('/backups');
    const { body } = await pair.vcl2.run('/demote');
    expect(body).toMatchObject({
      code: 'peer-not-ready',
      detail: expect.stringContaining('server version mismatch'),
    });
    expect(await dryRun('vcl2', '/demote')).toMatchObject({ wouldRun: false });
    database.dump = dump;
    await pair.vcl2.do('/backups');
    expect(await dryRun('vcl2', '/demote')).toMatchObject({ wouldRun: true });
  });
});
