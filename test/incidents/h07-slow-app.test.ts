import { afterEach, expect, test } from 'vitest';
import { eventually, type Pair, serves, startPair } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';

describePostgres('H07: the app takes longer to come up than anybody waits', () => {
  let pair: Pair;
  afterEach(() => pair?.remove());

  test('the takeover stays, the app comes later, and nothing is restored a second time', async () => {
    pair = await startPair({
      vcl3: {
        MONITOR: 'on',
        APP_START_TIMEOUT: '1s',
        APP_RESTART_AFTER: '500ms',
        LEDGER_WARM_UP_MS: '5000',
      },
    });
    const { vcl2, vcl3 } = pair;
    await vcl2.write('before the outage');
    await vcl2.do('/backups');
    await vcl2.losePower();

    // The monitor takes over; its operation gives up waiting for the app, and says so.
    const failover = await eventually('the takeover has ended', () =>
      vcl3.lastOperation('promote', 'failed'),
    );
    expect(failover).toMatchObject({
      committed: true,
      error: { code: 'app-failed', message: expect.stringContaining('does not answer') },
    });
    expect(await vcl3.agent.status()).toMatchObject({ mode: 'primary', serving: false });

    // The app does not answer yet, but it is at work; and the outage is reported again.
    await vcl3.database.psql(`INSERT INTO entries (text) VALUES ('while warming up')`, 'ledger');
    for (const command of [{}, { force: true }]) {
      const { body } = await vcl3.run('/promote', command);
      expect(body).toMatchObject({ code: 'already-primary' });
    }

    // It even crashes before it comes up, and is started again.
    vcl3.killApp();
    await serves(vcl3);
    expect(await vcl3.entries()).toEqual(['SEED', 'before the outage', 'while warming up']);
    const restores = (await vcl3.agent.operations())
      .flatMap(({ steps }) => steps)
      .filter(({ name }) => name === 'restore');
    expect(restores).toHaveLength(1);
  });
});
