import { afterEach, expect, test } from 'vitest';
import type { OperationRecord } from '../../src/domain/operation.js';
import { eventually, type Machine, type Pair, serves, startPair } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';

const MONITORED = {
  MONITOR: 'on',
  CHECK_TIMEOUT: '500ms',
  FAILBACK: 'auto',
  FAILBACK_STABLE: '2s',
};

/** Seconds that the restore of so little data may take on a busy machine; with a fence that waits it would be 100. */
const SOON = 30_000;

describePostgres('H20: VCL2 hangs: it takes connections and answers nothing', () => {
  let pair: Pair;
  afterEach(() => pair?.remove());

  const handovers = async ({ agent }: Machine): Promise<OperationRecord[]> =>
    (await agent.operations()).filter(({ kind, state }) => kind === 'handover' && state === 'done');

  /** VCL2 hangs until VCL3 has taken over, and is back. Resolves to the failback that follows, and how long it waited. */
  const outage = async ({ vcl2, vcl3 }: Pair, number: number) => {
    await vcl2.hang();
    await eventually('VCL3 serves', async () => (await vcl3.agent.status()).serving, SOON);
    expect(await vcl3.write(`during outage ${number}`)).toBe(true);
    await vcl2.wake();
    const failback = await eventually('VCL3 has given the role back', async () => {
      const found = await handovers(vcl3);
      return found.length === number && found[0];
    });
    await serves(vcl2);
    const back = await vcl2.lastOperation('stand-down');
    return {
      failback,
      waited: Date.parse(failback.startedAt) - Date.parse(back?.endedAt ?? ''),
    };
  };

  test('VCL3 takes over within its deadlines, and gives the role back later each time', async () => {
    pair = await startPair({ env: MONITORED });
    await pair.vcl2.write('an order');
    await pair.vcl2.run('/backups');

    const first = await outage(pair, 1);
    expect(first.failback).toMatchObject({
      source: 'failback',
      reason: 'the other node is back and has been stable for 2 s',
    });
    expect(first.waited).toBeGreaterThanOrEqual(2_000);

    const second = await outage(pair, 2);
    expect(second.failback.reason).toBe('the other node is back and has been stable for 4 s');
    expect(second.waited).toBeGreaterThanOrEqual(4_000);

    expect(await pair.vcl2.entries()).toEqual([
      'SEED',
      'an order',
      'during outage 1',
      'during outage 2',
    ]);
  }, 120_000);
});

/** Milliseconds: far more than a busy machine needs for what does not wait for VCL2. */
const DEADLINE = 5_000;

describePostgres("H20: VCL2's host is lost: whatever is sent to it vanishes", () => {
  let pair: Pair;
  afterEach(() => pair?.remove());

  test('once its checks have failed, VCL3 waits for it once more, and only right before the commit', async () => {
    pair = await startPair({
      env: {
        ...{ MONITOR: 'on', CHECK_INTERVAL: '1s', CHECK_TIMEOUT: `${DEADLINE}ms` },
        ...{ FAIL_THRESHOLD: '2', CONFIRM_CHECKS: '3', CONFIRM_INTERVAL: '2s' },
        PREPARE: 'on-receive',
      },
    });
    const { vcl2, vcl3, link } = pair;
    await vcl2.write('an order');
    await vcl2.run('/backups');
    await eventually('VCL3 has it prepared', async () => {
      const { prepared, operation } = await vcl3.agent.status();
      return prepared !== null && operation === null;
    });

    link.cut();
    await vcl2.hang();
    await eventually('VCL3 serves', async () => (await vcl3.agent.status()).serving, SOON);
    expect(await vcl3.entries()).toEqual(['SEED', 'an order']);

    const promote = await eventually('it has ended', () => vcl3.lastOperation('promote', 'done'));
    expect(promote).toMatchObject({ source: 'monitor', result: { fenced: 'unreachable' } });
    const took = (name: string): number => {
      const step = promote.steps.find((candidate) => candidate.name === name);
      return Date.parse(step?.endedAt ?? '') - Date.parse(step?.startedAt ?? '');
    };
    // Each of the checks that CONFIRM_CHECKS asks for would have taken that long, and the fence as well.
    expect(took('confirm') + took('fence')).toBeLessThan(DEADLINE);
    expect(took('fence-again')).toBeGreaterThanOrEqual(1_000);
  }, 120_000);
});
