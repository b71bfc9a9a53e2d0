import { afterEach, describe, expect, test } from 'vitest';
import { startInProcessPair } from '../support/in-process-pair.js';
import { serves, startPair } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';

describePostgres('H44: a tool writes a comment of its own on the database of VCL2', () => {
  let remove: () => Promise<void>;
  afterEach(() => remove?.());

  test('the app goes on, the marker is back beside the comment, and a backup is taken', async () => {
    const pair = await startPair();
    remove = () => pair.remove();
    const { vcl2 } = pair;
    await vcl2.write('an order');

    await vcl2.database.psql("COMMENT ON DATABASE ledger IS 'managed by a tool'");
    await vcl2.do('/backups');
    const comment = await vcl2.database.psql(
      "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'ledger'",
    );
    expect(comment).toMatch(/^managed by a tool\ncoldspare:\{/);
    expect(await vcl2.lastOperation('boot')).toMatchObject({ reason: 'the agent was started' });
    expect(await vcl2.entries()).toContain('an order');
  });
});

describe('H44: the comment is gone', () => {
  let remove: () => Promise<void>;
  afterEach(() => remove?.());

  test('also when the agent was not there to see it', async () => {
    const pair = await startInProcessPair({ APP_RESTART_AFTER: '10m' });
    remove = () => pair.remove();
    const { vcl2 } = pair;
    const live = vcl2.database.databases.get('ledger');
    const before = live?.marker;
    await vcl2.agent.kill();
    Object.assign(live ?? {}, { marker: undefined });
    await vcl2.agent.start();
    await serves(vcl2);
    expect(live?.marker).toEqual(before);
  });

  test('but another database under the same name is not served', async () => {
    const pair = await startInProcessPair({ APP_RESTART_AFTER: '10m' });
    remove = () => pair.remove();
    const { vcl2 } = pair;
    await vcl2.agent.kill();
    await vcl2.forgetLineage();
    await vcl2.agent.start();
    await expect(serves(vcl2, 3_000)).rejects.toThrow('vcl2 serves');
    expect(await vcl2.entries()).toBeUndefined();
  });
});
