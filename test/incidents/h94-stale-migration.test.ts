import { describe, expect, test } from 'vitest';
import { FakeCompose } from '../support/fake-compose.js';

const never = new AbortController().signal;
const COMPLETED = { condition: 'service_completed_successfully' };

describe('H94: the app depends on a migration that APP_SERVICE does not name', () => {
  test('with a new image the migration is made anew with the app; a cache that only runs beside it is not', async () => {
    const compose = new FakeCompose();
    compose.services = {
      db: { image: 'postgres:15' },
      cache: { image: 'redis:7' },
      seed: { image: 'shop' },
      migrate: { image: 'shop', depends_on: { seed: COMPLETED } },
      app: {
        image: 'shop',
        depends_on: {
          db: { condition: 'service_healthy' },
          migrate: COMPLETED,
          cache: { condition: 'service_started' },
        },
      },
    };
    compose.build('postgres:15', 'redis:7', 'shop');
    const stack = compose.stack();
    await stack.app.start(never);
    const made = compose.containers.map(({ id, service }) => `${service} ${id}`);
    await stack.app.stop(never);

    compose.build('shop', 'redis:7');
    compose.started.length = 0;
    await stack.app.start(never);
    const build = compose.images.get('shop');
    expect(compose.started).toEqual([
      `seed shop ${build}`,
      `migrate shop ${build}`,
      `app shop ${build}`,
    ]);
    const cache = made.find((each) => each.startsWith('cache'));
    expect(compose.containers.map(({ id, service }) => `${service} ${id}`)).toContain(cache);
  });
});
