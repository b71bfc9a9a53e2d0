import { beforeEach, describe, expect, test } from 'vitest';
import type { Stack } from '../../src/ports/stack.js';
import { FakeCompose } from '../support/fake-compose.js';

const never = new AbortController().signal;

describe('H93: one of two replicas of the app is killed', () => {
  let compose: FakeCompose;
  let stack: Stack;
  beforeEach(async () => {
    compose = new FakeCompose();
    compose.services = { db: { image: 'postgres:15' }, app: { image: 'shop', scale: 2 } };
    compose.build('postgres:15', 'shop');
    stack = compose.stack();
    await stack.app.start(never);
    expect(compose.running('app')).toBe(2);
  });

  test('it is missed and started again; the other one goes on', async () => {
    expect(await stack.app.isFullyRunning?.()).toBe(true);
    compose.kill('app');
    expect(await stack.app.isFullyRunning?.()).toBe(false);
    compose.build('shop');
    const before = compose.containers.map(({ id }) => id);
    await stack.app.start(never);
    expect(compose.running('app')).toBe(2);
    expect(compose.containers.map(({ id }) => id)).toEqual(before);
    expect(await stack.app.isFullyRunning?.()).toBe(true);
  });

  test('one whose container is gone is missed as well, also by an agent that has just started', async () => {
    compose.containers.pop();
    stack = compose.stack();
    expect(await stack.app.isFullyRunning?.()).toBe(false);
    await stack.app.start(never);
    expect(compose.running('app')).toBe(2);
  });

  test('one that has ended well has done its work', async () => {
    const [container] = compose.containers;
    if (container !== undefined) container.state = 'exited:0';
    expect(await stack.app.isFullyRunning?.()).toBe(true);
  });
});
