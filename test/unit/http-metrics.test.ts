import { finished } from 'node:stream/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { PROBLEM_CODES } from '../../src/domain/conditions/conditions.js';
import { ColdspareError, Refused } from '../../src/domain/errors.js';
import { request } from '../../src/operations/commands.js';
import { cancelOperation } from '../../src/operations/requests.js';
import { DUMP, manifestOf, type Service, startService } from '../support/http.js';

let service: Service;
const start = async (...args: Parameters<typeof startService>): Promise<void> => {
  service = await startService(...args);
};
afterEach(() => service.close());

/** The samples of a scrape, by name and labels as they are written. */
const scrape = async (): Promise<Map<string, number>> => {
  const { body } = await service.ask('GET', '/metrics');
  const lines = (body as string).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const [, series = '', value] = /^(\S+|\w+\{.*\}) (\S+)$/.exec(line) ?? [];
      return [series, Number(value)];
    }),
  );
};

const now = () => Date.now() / 1_000;

describe('a primary', () => {
  beforeEach(() => start('primary'));

  test('tells its role, epoch and health', async () => {
    expect(Object.fromEntries(await scrape())).toMatchObject({
      'coldspare_info{node="vcl2"}': 1,
      'coldspare_role{role="primary"}': 1,
      'coldspare_role{role="standby"}': 0,
      'coldspare_mode{mode="primary"}': 1,
      'coldspare_mode{mode="yielding"}': 0,
      coldspare_epoch: 1,
      coldspare_serving: 1,
      coldspare_vouched_for: 1,
      coldspare_paused: 0,
      coldspare_prepared: 0,
      coldspare_backups_committed: 0,
      coldspare_backup_max_age_seconds: 7_200,
      'coldspare_peer_reachable{via="agent"}': 0,
    });
  });

  test('has no series for what there is not', async () => {
    const series = [...(await scrape()).keys()];
    for (const name of [
      'coldspare_backup_newest_bytes',
      'coldspare_push_last_success_timestamp_seconds',
      'coldspare_restore_last_bytes',
      'coldspare_peer_reachable{via="ssh"}',
    ])
      expect(series).not.toContain(name);
  });

  test('follows its app, a pause and a push that fails at the next scrape, and back', async () => {
    const { node } = service;
    node.local.app = { value: { outcome: 'silent', detail: 'hangs' }, at: node.clock.now() };
    await service.ask('POST', '/pause', {
      client: 'admin',
      body: { minutes: 5, reason: 'deploy' },
    });
    const since = new Date().toISOString();
    const push = { lastSuccessAt: since, failingSince: since, error: 'the peer is away' };
    await node.state.update({ push });
    const failing = await scrape();
    expect(Object.fromEntries(failing)).toMatchObject({
      coldspare_serving: 0,
      coldspare_vouched_for: 0,
      coldspare_paused: 1,
      'coldspare_problem{code="app-down"}': 1,
      'coldspare_problem{code="push-failing"}': 1,
      coldspare_push_failing_since_timestamp_seconds: Date.parse(since) / 1_000,
    });
    node.local.app = { value: { outcome: 'answers', status: 200 }, at: node.clock.now() };
    await service.ask('DELETE', '/pause', { client: 'admin' });
    await node.state.update({ push: { ...push, failingSince: null, error: null } });
    const well = await scrape();
    expect(Object.fromEntries(well)).toMatchObject({
      coldspare_serving: 1,
      coldspare_paused: 0,
      'coldspare_problem{code="app-down"}': 0,
      coldspare_push_last_success_timestamp_seconds: Date.parse(since) / 1_000,
    });
    expect(well.has('coldspare_push_failing_since_timestamp_seconds')).toBe(false);
  });

  test('has a series for every problem that there can be', async () => {
    const series = [...(await scrape()).keys()].filter((name) =>
      name.startsWith('coldspare_problem'),
    );
    expect(series.sort()).toEqual(
      PROBLEM_CODES.map((code) => `coldspare_problem{code="${code}"}`).sort(),
    );
  });

  test('shows how long and how large its last push was', async () => {
    const { node } = service;
    node.peer.upload = async (_id, content) => {
      await finished(content.resume());
      return { bytes: 0, sha256: '' };
    };
    node.peer.commit = async () => {};
    const { id } = await request(node, 'backup', { reason: '' }, { source: 'operator' });
    expect(await node.runner.wait(id, 10_000)).toMatchObject({ state: 'done' });
    const samples = await scrape();
    expect(samples.get('coldspare_push_last_bytes')).toBe(
      samples.get('coldspare_backup_newest_bytes'),
    );
    expect(samples.get('coldspare_push_last_duration_seconds')).toBeGreaterThanOrEqual(0);
    expect(samples.get('coldspare_push_last_success_timestamp_seconds')).toBeCloseTo(now(), -2);
    expect(samples.get('coldspare_backup_newest_timestamp_seconds')).toBeCloseTo(now(), -2);
    expect(samples.get('coldspare_backups_committed')).toBe(1);
  });

  test('shows no secret', async () => {
    const { node } = service;
    const reason = 'the-reason-of-the-pause';
    await service.ask('POST', '/pause', { client: 'admin', body: { minutes: 5, reason } });
    await node.state.update({
      push: { lastSuccessAt: null, failingSince: new Date().toISOString(), error: reason },
    });
    const { body, headers } = await service.ask('GET', '/metrics');
    expect(headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    for (const secret of [
      reason,
      node.settings.peerUrl,
      node.state.current.lineage,
      process.version,
    ])
      expect(body).not.toContain(secret);
  });
});

describe('a standby', () => {
  beforeEach(() => start('standby'));

  test('shows what its newest backup is, and that it is proven', async () => {
    const manifest = manifestOf(DUMP);
    await service.ask('PUT', `/backups/${manifest.id}`, { client: 'peer', body: DUMP });
    await service.ask('POST', `/backups/${manifest.id}/commit`, { client: 'peer', body: manifest });
    const at = new Date().toISOString();
    const { state } = service.node;
    await state.update({ proofs: { [manifest.id]: { at, took: 1, error: null } } });
    await state.update({ prepared: manifest.id });
    const samples = await scrape();
    expect(Object.fromEntries(samples)).toMatchObject({
      'coldspare_role{role="standby"}': 1,
      coldspare_serving: 0,
      coldspare_prepared: 1,
      coldspare_backups_committed: 1,
      coldspare_backups_proven: 1,
      coldspare_backup_newest_bytes: DUMP.length,
      coldspare_backup_newest_timestamp_seconds: Date.parse(manifest.takenAt) / 1_000,
    });
    expect(samples.get('coldspare_backup_newest_age_seconds')).toBeLessThan(600);
  });

  test('shows how long and how large its last restore was', async () => {
    const manifest = manifestOf(DUMP);
    await service.ask('PUT', `/backups/${manifest.id}`, { client: 'peer', body: DUMP });
    await service.ask('POST', `/backups/${manifest.id}/commit`, { client: 'peer', body: manifest });
    const { body } = await service.ask('POST', '/promote', { client: 'admin' });
    expect(await service.node.runner.wait(body.id, 10_000)).toMatchObject({ state: 'done' });
    const samples = await scrape();
    expect(samples.get('coldspare_restore_last_bytes')).toBe(DUMP.length);
    expect(samples.get('coldspare_restore_last_duration_seconds')).toBeGreaterThanOrEqual(0);
    expect(samples.get('coldspare_mode{mode="primary"}')).toBe(1);
  });

  test('shows what its last drill came to', async () => {
    const at = new Date().toISOString();
    const seconds = { start: 1, restore: 2, verify: 3, query: 0, total: 6 };
    const lastDrill = { at, backup: 'b', passed: true, error: null, seconds, takeOverSeconds: 40 };
    await service.node.state.update({ lastDrill });
    expect(Object.fromEntries(await scrape())).toMatchObject({
      coldspare_drill_last_timestamp_seconds: Date.parse(at) / 1_000,
      coldspare_drill_last_passed: 1,
      coldspare_drill_last_duration_seconds: 6,
      coldspare_drill_last_take_over_seconds: 40,
    });
    const failed = { ...lastDrill, passed: false, error: 'cut', takeOverSeconds: null };
    await service.node.state.update({ lastDrill: failed });
    const samples = await scrape();
    expect(samples.get('coldspare_drill_last_passed')).toBe(0);
    expect(samples.get('coldspare_problem{code="drill-failed"}')).toBe(1);
    expect(samples.has('coldspare_drill_last_take_over_seconds')).toBe(false);
  });

  test('shows the way over SSH where there is one', async () => {
    const error = new ColdspareError('ssh-key-refused', 'the key is refused', 'show it another');
    service.node.peerView.ssh = { value: { error }, at: 0 };
    expect((await scrape()).get('coldspare_peer_reachable{via="ssh"}')).toBe(0);
    service.node.peerView.ssh = { value: { error: null }, at: 0 };
    expect((await scrape()).get('coldspare_peer_reachable{via="ssh"}')).toBe(1);
  });
});

describe('operations', () => {
  const ended = async () => {
    const samples = [...(await scrape())];
    return samples.filter(
      ([series, count]) => series.startsWith('coldspare_operations_total') && count > 0,
    );
  };

  test('are counted once each when they have ended, with the time of their steps', async () => {
    await start('primary');
    const { node } = service;
    const before = await scrape();
    expect(before.get('coldspare_operations_total{kind="backup",outcome="refused"}')).toBe(0);
    expect(await ended()).toEqual([]);
    node.peer.upload = async () => {
      throw new Refused('serving', 'the other node serves', 'none');
    };
    for (const _ of [1, 2]) {
      const { id } = await request(node, 'backup', { reason: '' }, { source: 'operator' });
      await node.runner.wait(id, 10_000);
    }
    expect(await ended()).toEqual([
      ['coldspare_operations_total{kind="backup",outcome="refused"}', 2],
    ]);
    const samples = await scrape();
    const steps = 'coldspare_operation_step_duration_seconds';
    expect(samples.get(`${steps}_count{kind="backup",step="dump"}`)).toBe(2);
  });

  test('that ended without having run are counted too', async () => {
    await start('standby');
    await cancelOperation(service.node, '20261122_193000_promote_never000');
    expect(await ended()).toEqual([
      ['coldspare_operations_total{kind="promote",outcome="refused"}', 1],
    ]);
  });

  test('that a stopping agent has cut are not: they go on at its next start', async () => {
    await start('primary');
    const { node } = service;
    await request(node, 'backup', { reason: '' }, { source: 'operator' });
    await node.runner.stop();
    expect(node.runner.list()).toMatchObject([{ kind: 'backup', state: 'running' }]);
    expect(await ended()).toEqual([]);
  });
});
