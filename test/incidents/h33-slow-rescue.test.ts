import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createAlarms } from '../../src/background/alarms.js';
import { createGuard, createPartsWatch } from '../../src/background/guard.js';
import type { OperationRecord } from '../../src/domain/operation.js';
import { request } from '../../src/operations/commands.js';
import { nodeStatus } from '../../src/status/node-status.js';
import { createFakeNode, type FakeNode, takesBackups } from '../support/fake-node.js';
import { type InProcessPair, startInProcessPair } from '../support/in-process-pair.js';
import { serves } from '../support/pair.js';
import { receive } from '../support/received.js';
import { roundsOf } from '../support/rounds.js';

const RESCUE_TIMEOUT = 400;

let fake: FakeNode;
afterEach(() => fake?.remove());

/** What a takeover loses while the old primary shows `steps` for so many looks, and then is done. */
const takeOver = async (
  looks: number,
  steps: (look: number) => OperationRecord['steps'],
): Promise<OperationRecord['result'] | undefined> => {
  fake = await createFakeNode('standby', { settings: { rescueTimeout: RESCUE_TIMEOUT } });
  const { node } = fake;
  await receive(node, 1, 3);
  const record = (): OperationRecord => ({
    ...(node.runner.current as OperationRecord),
    ...{ id: 'last-dump', kind: 'backup', state: 'running' },
  });
  let look = 0;
  node.peer.status = async () => ({ ...nodeStatus(node), mode: 'primary', operation: null });
  node.peer.fence = async () => ({ mode: 'yielding', detail: 'stopped' });
  node.peer.rescue = async () => record();
  node.peer.operation = async () => {
    look += 1;
    if (look < looks) return { ...record(), steps: steps(look) };
    const backup = await receive(node, 2, 4);
    return { ...record(), state: 'done', result: { backup } };
  };
  const command = { force: false, planned: false, dryRun: false, reason: '' };
  const { id } = await request(node, 'promote', command, { source: 'operator' });
  const ended = await node.runner.wait(id, 60_000);
  expect(ended?.state).toBe('done');
  return ended?.result;
};

const step = (
  name: string,
  more: Partial<OperationRecord['steps'][number]>,
): OperationRecord['steps'] => [
  { name, state: 'running', startedAt: '', endedAt: null, detail: null, ...more },
];

describe('H33: the last dump takes longer than RESCUE_TIMEOUT', () => {
  test.each<[string, (look: number) => OperationRecord['steps']]>([
    ['dumped', (look) => step('dump', { detail: `${look} MB were sent so far` })],
    ['sent', (look) => step('push', { progress: { done: look, total: 100 } })],
  ])('as long as more of it is %s, the takeover waits, and nothing is lost', async (_, steps) => {
    const began = performance.now();
    expect(await takeOver(9, steps)).toMatchObject({
      loss: expect.stringContaining('nothing is lost'),
    });
    expect(performance.now() - began).toBeGreaterThan(RESCUE_TIMEOUT);
  });

  test('when no more of it comes, the takeover goes on with the newest backup', async () => {
    expect(await takeOver(1_000, () => step('dump', {}))).toMatchObject({
      rescue: expect.stringContaining('the next part of the last dump'),
      loss: expect.stringContaining('is lost'),
    });
  });

  test('a backup that is silent for longer is a problem, until one is not', async () => {
    fake = await createFakeNode('primary', { settings: { rescueTimeout: RESCUE_TIMEOUT } });
    const { node, database } = fake;
    takesBackups(node.peer);
    const { dump } = database;
    let elapsed = 0;
    node.clock.elapsed = () => elapsed;
    const backUp = async (took: number) => {
      database.dump = (...args) => {
        elapsed += took;
        return dump.apply(database, args);
      };
      const { id } = await request(node, 'backup', { reason: '' }, { source: 'operator' });
      expect(await node.runner.wait(id, 60_000)).toMatchObject({ state: 'done' });
      return nodeStatus(node).problems;
    };
    expect(await backUp(RESCUE_TIMEOUT + 1)).toContain('rescue-too-short');
    expect(await backUp(RESCUE_TIMEOUT - 1)).not.toContain('rescue-too-short');
  });
});

describe('H33: the app exits every few minutes, and is started again each time', () => {
  const AFTER = 1_000;

  test('people are told after the third time within an hour, also by an agent that has just started', async () => {
    fake = await createFakeNode('primary', { settings: { appRestartAfter: AFTER, aloneGrace: 0 } });
    const { node, app, announced, directory } = fake;
    const { now } = node.clock;
    const roundAfter = roundsOf(node, createGuard);
    const alarms = createAlarms(node);
    const told = () => announced.filter(({ event }) => event === 'app-restarts');
    await roundAfter(0);
    await roundAfter(AFTER);
    for (let time = 1; time <= 3; time += 1) {
      await roundAfter(AFTER);
      app.runs = false;
      await roundAfter(0);
      expect(node.runner.list()[0]).toMatchObject({ state: 'done', reason: 'the app has exited' });
      await alarms();
      expect(nodeStatus(node).problems).toEqual(time < 3 ? [] : ['app-restarts']);
    }
    expect(told()).toMatchObject([
      { message: expect.stringContaining('restarted 3 times: the app has exited (3 times)') },
    ]);

    const restarted = await createFakeNode('primary', { stateFrom: directory });
    expect(nodeStatus(restarted.node).problems).toContain('app-restarts');
    await restarted.remove();

    node.clock.now = () => now() + 61 * 60_000;
    await alarms();
    expect(nodeStatus(node).problems).not.toContain('app-restarts');
    expect(told().at(-1)).toMatchObject({ over: true });
  });

  test('so are they when it is only a worker beside an app that answers', async () => {
    fake = await createFakeNode('primary', { settings: { appRestartAfter: AFTER, aloneGrace: 0 } });
    const { node, app } = fake;
    let isWorkerUp = true;
    app.isFullyRunning = async () => isWorkerUp;
    app.start = async () => {
      isWorkerUp = true;
    };
    const lookAfter = roundsOf(node, createPartsWatch);
    for (let time = 1; time <= 3; time += 1) {
      await lookAfter(0);
      isWorkerUp = false;
      await lookAfter(AFTER);
      expect(isWorkerUp).toBe(true);
    }
    expect(nodeStatus(node).problems).toContain('app-restarts');
  });
});

describe('H33: only the app of VCL2 is gone, and VCL3 would take over from a last dump', () => {
  const WAIT = { timeout: 60_000, interval: 20 };
  let pair: InProcessPair;
  beforeEach(async () => {
    pair = await startInProcessPair({
      MONITOR: 'on',
      FAIL_THRESHOLD: '10',
      APP_RESTART_AFTER: '40s',
    });
    await vi.waitFor(() => pair.vcl2.do('/backups'), WAIT);
    // An app is started at once only when it has served for that long.
    const began = pair.elapsed();
    await expect.poll(() => pair.elapsed() - began, WAIT).toBeGreaterThan(40_000);
  });
  afterEach(() => pair?.remove());

  test('it has exited: VCL2 starts it again before VCL3 has to do anything', async () => {
    const { vcl2, vcl3 } = pair;
    await vcl2.write('not in any backup');
    vcl2.killApp();
    await expect.poll(() => vcl2.app.runs, WAIT).toBe(true);
    await serves(vcl2);
    expect(await vcl2.lastOperation('boot')).toMatchObject({ reason: 'the app has exited' });
    expect(await vcl3.agent.status()).toMatchObject({ mode: 'standby', epoch: 1 });
    expect(await vcl3.lastOperation('promote', 'done')).toBeUndefined();
  });

  test.each<[string, (pair: InProcessPair) => Promise<void>]>([
    ['it cannot be started', ({ vcl2 }) => vcl2.breakApp()],
    [
      'it exits again whenever it was started',
      async ({ vcl2 }) => {
        const start = vcl2.app.start.bind(vcl2.app);
        vcl2.app.start = async () => {
          await start();
          setTimeout(() => vcl2.killApp(), 100);
        };
        vcl2.killApp();
      },
    ],
  ])('%s: VCL3 takes over with every write', async (_, befall) => {
    const { vcl2, vcl3 } = pair;
    await vcl2.write('not in any backup');
    await befall(pair);
    await serves(vcl3);
    expect(await vcl3.entries()).toEqual(['SEED', 'not in any backup']);
    const boots = (await vcl2.agent.operations()).filter(
      ({ reason }) => reason === 'the app has exited',
    );
    expect(boots).toHaveLength(1);
  });
});
