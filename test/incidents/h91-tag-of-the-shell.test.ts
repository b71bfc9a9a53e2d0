import { beforeEach, describe, expect, test } from 'vitest';
import type { Stack } from '../../src/ports/stack.js';
import { FakeCompose } from '../support/fake-compose.js';

const never = new AbortController().signal;

describe('H91: the app was deployed with an image tag that only the deploying shell knew', () => {
  let compose: FakeCompose;
  let stack: Stack;
  beforeEach(async () => {
    compose = new FakeCompose();
    // `image: shop:${TAG:-old}`, as the agent sees it.
    compose.services = { db: { image: 'postgres:15' }, app: { image: 'shop:old' } };
    compose.build('postgres:15', 'shop:old', 'shop:new');
    stack = compose.stack();
    await stack.app.start(never);
    // `TAG=new docker compose up -d`
    const [container] = compose.containers;
    compose.containers = [];
    if (container !== undefined)
      compose.containers = [{ ...container, image: 'shop:new', imageId: 3, files: 'compose.yml' }];
    compose.started.length = 0;
  });

  const restart = async () => {
    await stack.app.stop(never);
    await stack.app.start(never);
  };

  const told = async (primary?: Record<string, string>) =>
    (await stack.app.assertStartable?.(primary))?.kept;

  test('every later start keeps the image that ran, and the agent says so before', async () => {
    expect(await told()).toEqual([
      'app was started from shop:new, and the compose files here name shop:old',
    ]);
    await restart();
    await restart();
    // Another agent: it knows nothing of what this one did.
    stack = compose.stack();
    await restart();
    expect(compose.started.map((line) => line.split(' ')[1])).toEqual(Array(3).fill('shop:new'));
    expect(await told()).toHaveLength(1);
  });

  test('when a person has changed the files, what they name is started', async () => {
    await restart();
    compose.build('shop:v3');
    Object.assign(compose.services, { app: { image: 'shop:v3' } });
    expect(await told()).toEqual([]);
    await restart();
    expect(compose.started.at(-1)).toMatch('shop:v3');
    compose.build('shop:v4');
    Object.assign(compose.services, { app: { image: 'shop:v4' } });
    await restart();
    expect(compose.started.at(-1)).toMatch('shop:v4');
  });

  test('an image that was built again under its name is taken, as ever', async () => {
    await restart();
    compose.build('shop:new');
    await restart();
    expect(compose.started.at(-1)).toBe(`app shop:new ${compose.images.get('shop:new')}`);
  });

  test('the image that ran was removed: that is told, and no other one is started', async () => {
    compose.images.delete('shop:new');
    await expect(stack.app.assertStartable?.()).rejects.toThrow('the image shop:new');
    await expect(restart()).rejects.toMatchObject({ code: 'app-failed' });
    expect(compose.started).toEqual([]);
  });

  test('the other server takes over with the image that the primary runs from, if it has that', async () => {
    const there = new FakeCompose();
    there.services = compose.services;
    there.build('postgres:15', 'shop:old', 'shop:new');
    const standby = there.stack();
    await standby.app.create?.(never);
    const check = await stack.app.assertStartable?.();
    expect(await standby.app.assertStartable?.(check?.images)).toMatchObject({
      kept: ['app was started from shop:new, and the compose files here name shop:old'],
    });
    await standby.app.create?.(never);
    await standby.app.start(never);
    expect(there.started.at(-1)).toMatch('shop:new');
    // As a primary it goes by its own containers.
    expect(await standby.app.assertStartable?.()).toMatchObject({ images: { app: 'shop:new' } });
    await standby.app.stop(never);
    await standby.app.start(never);
    expect(there.started.at(-1)).toMatch('shop:new');
  });

  test('without that image the other server says what a takeover would start', async () => {
    const there = new FakeCompose();
    there.services = compose.services;
    there.build('postgres:15', 'shop:old');
    const { app } = there.stack();
    expect(await app.assertStartable?.({ app: 'shop:new' })).toMatchObject({
      kept: [
        'app runs from shop:new on the primary, which is not on this machine: a takeover would start shop:old',
      ],
    });
    // Another registry is not another version.
    expect(await app.assertStartable?.({ app: 'mirror.example/shop:old' })).toMatchObject({
      kept: [],
    });
    await app.start(never);
    expect(there.started.at(-1)).toMatch('shop:old');
  });
});
