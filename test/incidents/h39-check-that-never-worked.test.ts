import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type InProcessPair, startInProcessPair } from '../support/in-process-pair.js';

const WAIT = { timeout: 60_000, interval: 100 };
const CHECK = 'http://peer-app.invalid/';

describe("H39: PRIMARY_CHECK_URL can never work, and only VCL2's agent dies", () => {
  let pair: InProcessPair;
  beforeAll(async () => {
    // The app listens on 127.0.0.1 only.
    pair = await startInProcessPair(
      { MONITOR: 'on', FAIL_THRESHOLD: '3', PRIMARY_CHECK_URL: CHECK },
      { [CHECK]: { outcome: 'refuses', detail: 'ECONNREFUSED' } },
    );
  });
  afterAll(() => pair?.remove());

  const problems = async () => (await pair.vcl3.agent.status()).problems;

  test('it is a problem long before that', async () => {
    await expect.poll(problems, WAIT).toContain('check-unfit');
  });

  test('VCL3 does not take over by itself, and says that nobody can tell', async () => {
    const { vcl2, vcl3 } = pair;
    await vcl2.agent.stop();
    await expect
      .poll(() => vcl3.lastOperation('promote'), WAIT)
      .toMatchObject({ state: 'refused', error: { code: 'outage-unproven' } });
    await expect.poll(problems, WAIT).toContain('primary-lost');
    expect(vcl2.app.runs).toBe(true);
    expect(vcl3.app.runs).toBe(false);
  });

  test('once it works it counts: a lost primary is taken over from', async () => {
    const { vcl2, vcl3 } = pair;
    vcl3.answers.delete(CHECK);
    await vcl2.agent.start();
    await vi.waitFor(() => vcl2.do('/backups'), WAIT);
    await expect.poll(problems, WAIT).toEqual([]);
    await vcl2.agent.stop();
    vcl2.killApp();
    await expect.poll(() => vcl3.app.runs, WAIT).toBe(true);
  });
});
