import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ColdspareError } from '../../src/domain/errors.js';
import { FakeCompose } from '../support/fake-compose.js';
import { type InProcessPair, startInProcessPair } from '../support/in-process-pair.js';
import { eventually, serves } from '../support/pair.js';

const never = new AbortController().signal;
/** On a busy machine. */
const PATIENCE = 100_000;
vi.setConfig({ testTimeout: 2 * PATIENCE });

describe('H95: the role is handed to a server whose app does not start', () => {
  let pair: InProcessPair;
  beforeEach(async () => {
    // Time passes ten times faster here, and a busy machine is no outage.
    pair = await startInProcessPair({
      CHECK_INTERVAL: '2s',
      CHECK_TIMEOUT: '30s',
      APP_RESTART_AFTER: '60s',
      APP_START_TIMEOUT: '120s',
    });
    await pair.vcl2.write('before');
  });
  afterEach(() => pair.remove());

  test('an image that something it needs lacks is noticed before VCL2 has given anything up', async () => {
    const { vcl2, vcl3 } = pair;
    const missing = new ColdspareError('app-failed', 'the image redis:7 is not here', 'pull it');
    Object.assign(vcl3.app, {
      assertStartable: async () => {
        throw missing;
      },
    });
    await vcl2.run('/demote');
    const kept = await eventually('it has ended', () => vcl2.lastOperation('handover'), PATIENCE);
    expect(kept).toMatchObject({
      committed: false,
      error: { message: expect.stringContaining('the image redis:7') },
    });
    await serves(vcl2);
    expect((await vcl3.agent.status())?.mode).toBe('standby');
  });

  test('an app that fails at its start: the handover is not "done", and the role comes back with every write', async () => {
    const { vcl2, vcl3 } = pair;
    await vcl3.breakApp();
    await vcl2.run('/demote');
    const given = await eventually('it has ended', () => vcl2.lastOperation('handover'), PATIENCE);
    expect(given).toMatchObject({ state: 'failed', error: { code: 'app-failed' } });
    await eventually('VCL2 serves', async () => (await vcl2.agent.status())?.serving, PATIENCE);
    expect(await vcl2.agent.status()).toMatchObject({ mode: 'primary', epoch: 3 });
    expect(await vcl2.entries()).toEqual(['SEED', 'before']);
    const back = await eventually('it is back', () => vcl3.lastOperation('handover'), PATIENCE);
    expect(back).toMatchObject({ state: 'done', source: 'agent' });
  });

  test('an app that fails on both is not handed to and fro', async () => {
    const { vcl2, vcl3 } = pair;
    await vcl3.breakApp();
    await vcl2.breakApp();
    await vcl2.run('/demote');
    const failed = () => vcl2.lastOperation('promote', 'failed');
    await eventually('the role is back', failed, PATIENCE);
    await vcl2.mendApp();
    await eventually('VCL2 serves', async () => (await vcl2.agent.status())?.serving, PATIENCE);
    expect((await vcl2.agent.status())?.epoch).toBe(3);
  });
});

test('each preparation looks for the images of what the app depends on as well', async () => {
  const compose = new FakeCompose();
  compose.services = {
    db: { image: 'postgres:15' },
    cache: { image: 'redis:7' },
    app: { image: 'shop', depends_on: { cache: { condition: 'service_started' } } },
  };
  compose.build('postgres:15', 'redis:7', 'shop');
  const { app } = compose.stack();
  await app.create?.(never);
  expect(compose.started).toEqual([]);
  // A registry that is away, or has a newer one, changes nothing there either.
  expect(compose.override).toContain('  "cache":\n    pull_policy: if_not_present\n');
  compose.images.delete('redis:7');
  await expect(app.create?.(never)).rejects.toMatchObject({
    code: 'app-failed',
    message: 'not on this machine, and the agent builds none: the image redis:7',
  });
});
