import { afterEach, expect, test } from 'vitest';
import { eventually, type Pair, serves, startPair, TOKENS } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';

describePostgres('H06: the monitor restarts during an outage', () => {
  let pair: Pair;
  afterEach(() => pair?.remove());

  test('it remembers that VCL3 is primary, and the old dump is not restored again', async () => {
    pair = await startPair({ vcl3: { MONITOR: 'on' } });
    const { vcl2, vcl3 } = pair;
    await vcl2.do('/backups');
    await vcl2.losePower();
    await serves(vcl3);
    await vcl3.write('during the outage');
    const takeover = await vcl3.lastOperation('promote');

    await vcl3.agent.kill();
    await vcl3.agent.start();
    await serves(vcl3);

    // The outage goes on, and everybody reports it again.
    const answers = [
      await vcl3.run('/promote'),
      await vcl3.run('/promote', { force: true }),
      await vcl3.run('/promote', undefined, TOKENS.webhook),
    ];
    expect(answers.map(({ body }) => body)).toMatchObject([
      { code: 'already-primary' },
      { code: 'already-primary' },
      { ignored: true, because: expect.stringContaining('primary already') },
    ]);
    await looksAgain();
    expect(await vcl3.entries()).toEqual(['SEED', 'during the outage']);
    expect(await vcl3.lastOperation('promote')).toEqual(takeover);
    const databases = await vcl3.database.psql('SELECT datname FROM pg_database');
    expect(databases).not.toContain('ledger_');
  });

  const looksAgain = async () => {
    const lastLook = async () => (await pair.vcl3.agent.status()).peer.checkedAt;
    const before = await lastLook();
    await eventually('the monitor has looked again', async () => (await lastLook()) !== before);
  };
});
