import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type InProcessPair, startInProcessPair } from '../support/in-process-pair.js';

const WAIT = { timeout: 60_000, interval: 100 };
const WITNESS_URL = 'http://witness.invalid/';

describe('H52: WITNESS_URL answers 403, as a login before the service does', () => {
  let pair: InProcessPair;
  beforeAll(async () => {
    pair = await startInProcessPair(
      { MONITOR: 'on', FAIL_THRESHOLD: '3', APP_RESTART_AFTER: '1m', WITNESS_URL },
      { [WITNESS_URL]: { outcome: 'answers', status: 403 } },
    );
    await vi.waitFor(() => pair.vcl2.do('/backups'), WAIT);
  });
  afterAll(() => pair?.remove());

  const problems = async () => (await pair.vcl3.agent.status()).problems;

  test('it is a problem in good times', async () => {
    await expect.poll(problems, WAIT).toEqual(['witness-unfit']);
  });

  test('a witness that says 200 for ever does not forbid it either: VCL2 says itself that its app is down', async () => {
    const { vcl2, vcl3 } = pair;
    vcl3.answers.set(WITNESS_URL, { outcome: 'answers', status: 200 });
    await expect.poll(problems, WAIT).toEqual([]);
    await vcl2.breakApp();
    await expect.poll(() => vcl3.app.runs, WAIT).toBe(true);
    // Until VCL2 has heard that VCL3 serves, it has only promised not to.
    await expect.poll(async () => (await vcl2.agent.status()).mode, WAIT).toBe('standby');
  });

  test('while a takeover is refused, the standby says that it is lost', async () => {
    const { vcl2, vcl3 } = pair;
    await vcl2.mendApp();
    vcl2.answers.set(WITNESS_URL, { outcome: 'answers', status: 200 });
    await vcl3.agent.stop();
    vcl3.killApp();
    await expect
      .poll(async () => (await vcl2.agent.status()).problems, WAIT)
      .toContain('primary-lost');
    expect(vcl2.app.runs).toBe(false);
    // A 403 instead is no reason to wait.
    vcl2.answers.set(WITNESS_URL, { outcome: 'answers', status: 403 });
    await expect.poll(() => vcl2.app.runs, WAIT).toBe(true);
  });
});
