import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type InProcessPair, startInProcessPair } from '../support/in-process-pair.js';

const WAIT = { timeout: 60_000, interval: 50 };
const WITNESS_URL = 'http://witness.invalid/';
const SERVED = { outcome: 'answers', status: 200 } as const;
const NOT_SERVED = { outcome: 'answers', status: 502 } as const;

describe('H38: the users are served again by a server that cannot be asked', () => {
  let pair: InProcessPair;
  beforeAll(async () => {
    pair = await startInProcessPair(
      // The agents are stopped and the app goes on: only the witness sees that it serves.
      { MONITOR: 'on', FAIL_THRESHOLD: '3', PRIMARY_CHECK_URL: '', WITNESS_URL },
      { [WITNESS_URL]: SERVED },
    );
    await vi.waitFor(() => pair.vcl2.do('/backups'), WAIT);
  });
  afterAll(() => pair?.remove());

  test('VCL3 asks the witness once more right before it commits, and takes nothing over', async () => {
    const { vcl2, vcl3 } = pair;
    await expect.poll(async () => (await vcl3.agent.status()).problems, WAIT).toEqual([]);
    await vcl3.inject([{ label: 'promote.fence-again', moment: 'before', action: 'hold' }]);
    await vcl2.agent.stop();
    vcl2.killApp();
    vcl3.answers.set(WITNESS_URL, NOT_SERVED);
    await expect.poll(() => vcl3.hits(), WAIT).toHaveLength(1);
    // VCL2's app is back while VCL3 restored.
    vcl2.app.runs = true;
    vcl3.answers.set(WITNESS_URL, SERVED);
    await vcl3.release();
    await expect
      .poll(() => vcl3.lastOperation('promote'), WAIT)
      .toMatchObject({ error: { code: 'primary-healthy' }, committed: false });
    expect(vcl3.app.runs).toBe(false);
    expect((await vcl3.agent.status()).mode).toBe('standby');
  });

  test('a primary that boots alone leaves the users to whoever serves them, with ALONE=serve too', async () => {
    const { vcl2, vcl3 } = pair;
    await vcl3.agent.stop();
    vcl2.killApp();
    vcl2.answers.set(WITNESS_URL, SERVED);
    await vcl2.agent.start();
    await expect
      .poll(async () => (await vcl2.agent.status()).alone, WAIT)
      .toContain('the users are served already');
    expect(vcl2.app.runs).toBe(false);
    vcl2.answers.set(WITNESS_URL, NOT_SERVED);
    await expect.poll(() => vcl2.app.runs, WAIT).toBe(true);
    expect((await vcl2.agent.status()).alone).toContain('ALONE=serve');
  });
});
