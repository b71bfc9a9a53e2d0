import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createAlarms } from '../../src/background/alarms.js';
import { createReadinessWatch } from '../../src/background/app-readiness.js';
import { createGuard } from '../../src/background/guard.js';
import { nodeFindings } from '../../src/domain/conditions/findings.js';
import { ColdspareError } from '../../src/domain/errors.js';
import { createPreparation } from '../../src/replication/dumps/prepare.js';
import { FakeCompose } from '../support/fake-compose.js';
import { DUMP, manifestOf, type Service, startService } from '../support/http.js';

describe('H90: the image of the app was never built on the standby, or was pruned there', () => {
  let standby: Service;
  let compose: FakeCompose;
  let look: () => Promise<void>;
  beforeEach(async () => {
    standby = await startService('standby', {
      settings: { prepare: 'on-receive', checkInterval: 0 },
    });
    await standby.database.stop();
    standby.database.databases.clear();
    compose = new FakeCompose();
    compose.services = { db: { image: 'postgres:15' }, app: { image: 'shop_app' } };
    compose.build('postgres:15');
    const { create, assertStartable } = compose.stack().app;
    Object.assign(standby.node.stack.app, { create, assertStartable });
    const watch = createReadinessWatch(standby.node);
    const alarms = createAlarms(standby.node);
    look = async () => {
      await watch();
      await alarms();
    };
  });
  afterEach(() => standby.close());

  const MISSING = 'not on this machine, and the agent builds none: the image shop_app';
  const REMEDY = expect.stringContaining('"docker compose build"');

  const ask = async (method: string, path: string, body = {}) =>
    (await standby.ask(method, path, {
      client: 'admin',
      ...(method === 'POST' && { headers: { Prefer: 'wait=10' }, body }),
    })) as { status: number; body: Awaited<ReturnType<Service['ask']>>['body'] };
  const receive = async () => {
    const backup = manifestOf(DUMP);
    await standby.ask('PUT', `/backups/${backup.id}`, { client: 'peer', body: DUMP });
    await standby.ask('POST', `/backups/${backup.id}/commit`, { client: 'peer', body: backup });
  };

  test('every surface says so from the first look on, and that it is over when the image is there', async () => {
    await look();
    expect(await ask('GET', '/health')).toMatchObject({
      status: 503,
      body: { problems: ['app-unready'] },
    });
    const { body: status } = await ask('GET', '/status');
    expect(nodeFindings(status)).toContainEqual({
      server: 'vcl3',
      what: `app-unready: it could not start its app now: ${MISSING}`,
      remedy: expect.stringContaining('docker compose build'),
    });
    expect((await ask('GET', '/metrics')).body).toMatch(/problem\{.*"app-unready".*\} 1/);
    const page = await fetch(`${standby.url}/`);
    expect(await page.text()).toContain('Build or pull the missing image on this server');
    expect(standby.announced).toMatchObject([{ event: 'app-unready', severity: 'critical' }]);

    compose.build('shop_app');
    await look();
    expect((await ask('GET', '/health')).body.problems).toEqual([]);
    expect(standby.announced.at(-1)).toMatchObject({ event: 'app-unready', over: true });

    // "docker system prune --all"
    compose.images.clear();
    await look();
    expect((await ask('GET', '/health')).body.problems).toEqual(['app-unready']);
  });

  test('an engine that is down is told as well, one that is only slow is not', async () => {
    compose.build('shop_app');
    compose.down = 'Cannot connect to the Docker daemon';
    await look();
    const { body: status } = await ask('GET', '/status');
    expect(status.app.cannotStart).toContain('Cannot connect to the Docker daemon');

    compose.down = undefined;
    await look();
    standby.node.stack.app.assertStartable = async () => {
      throw new ColdspareError('timed-out', 'docker did not end within 20 s', 'wait');
    };
    await expect(look()).rejects.toThrow('did not end');
    expect((await ask('GET', '/health')).body.problems).toEqual([]);
  });

  test('a preparation, a drill and a promote say it before anything is taken over', async () => {
    await receive();
    const prepare = createPreparation(standby.node);
    await prepare();
    const { runner } = standby.node;
    const prepared = runner.current && (await runner.wait(runner.current.id, 10_000));
    expect(prepared?.error).toMatchObject({ code: 'app-failed', message: MISSING, remedy: REMEDY });
    expect((await ask('GET', '/health')).body.problems).toEqual(['app-unready']);

    await look();
    expect((await ask('POST', '/drill')).body).toMatchObject({ code: 'app-failed' });
    expect(standby.node.state.current.lastDrill).toMatchObject({ passed: false, error: MISSING });

    const dryRun = { force: false, dryRun: true };
    expect((await ask('POST', '/promote', dryRun)).body.refusal).toMatchObject({
      message: MISSING,
    });
    const promote = await ask('POST', '/promote', { reason: 'VCL2 is lost' });
    expect(promote.body).toMatchObject({ code: 'app-failed', detail: MISSING, remedy: REMEDY });
    expect(standby.node.state.current.mode).toBe('standby');

    // As soon as it is built, the same command takes over, whatever was seen last.
    compose.build('shop_app');
    const again = await ask('POST', '/promote', { reason: 'VCL2 is lost' });
    expect(again.body).toMatchObject({ state: 'done' });
    expect(standby.node.state.current.mode).toBe('primary');
  });
});

test('H90: a primary whose image was pruned starts its app as soon as the image is back', async () => {
  const primary = await startService('primary', {
    settings: { appRestartAfter: 600_000, aloneGrace: 0 },
  });
  try {
    const { node, app } = primary;
    const guard = createGuard(node);
    app.runs = false;
    node.local.unstartable = new ColdspareError('app-failed', 'no image', 'build it');
    await guard();
    expect(node.runner.current).toBeUndefined();
    node.local.unstartable = null;
    await guard();
    await expect.poll(() => app.runs).toBe(true);
    expect(node.runner.list()[0]?.kind).toBe('boot');
  } finally {
    await primary.close();
  }
});
