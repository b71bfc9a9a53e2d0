import { afterEach, beforeEach, expect, test } from 'vitest';
import { createGuard } from '../../src/schedule/guard.js';
import { createFakeNode, type FakeNode } from '../support/fake-node.js';

const RESTART_AFTER = 1_000;

let primary: FakeNode;
beforeEach(async () => {
  primary = await createFakeNode('primary', {
    settings: { appRestartAfter: RESTART_AFTER, appStartTimeout: 50, aloneGrace: 0 },
  });
});
afterEach(() => primary.remove());

test('an app that dies again as soon as it is back is not waited for as long as before', async () => {
  const { node, app } = primary;
  const { elapsed } = node.clock;
  let later = 0;
  node.clock.elapsed = () => elapsed() + later;
  const guard = createGuard(node);
  /** How the app's start ended that the guard asked for; undefined when it asked for none. */
  const roundAfter = async (ms: number) => {
    later += ms;
    await guard();
    const { current } = node.runner;
    return current && (await node.runner.wait(current.id, 10_000))?.state;
  };
  const start = app.start.bind(app);
  app.start = async () => {};
  app.runs = false;

  expect(await roundAfter(RESTART_AFTER)).toBe('rolled-back');
  expect(await roundAfter(0)).toBeUndefined();
  expect(await roundAfter(RESTART_AFTER)).toBe('rolled-back');
  expect(await roundAfter(2 * RESTART_AFTER)).toBe('rolled-back');

  app.start = start;
  expect(await roundAfter(4 * RESTART_AFTER)).toBe('done');
  app.runs = false;
  expect(await roundAfter(RESTART_AFTER)).toBe('done');
});
