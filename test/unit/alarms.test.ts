import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createAlarms } from '../../src/background/alarms.js';
import { ColdspareError, type ErrorCode } from '../../src/domain/errors.js';
import type { OperationKind } from '../../src/domain/operation.js';
import type { Node } from '../../src/operations/node.js';
import { isoNow } from '../../src/ports/clock.js';
import { noteHealth } from '../../src/serve/app.js';
import { NodeState } from '../../src/state/node-state.js';
import { nodeStatus } from '../../src/status/node-status.js';
import { createFakeNode, type FakeNode } from '../support/fake-node.js';
import { planOf } from '../support/plans.js';

let primary: FakeNode;
let standby: FakeNode;
beforeEach(async () => {
  // What has to last for a while is told at once.
  const settings = { checkInterval: 0, appRestartAfter: 0 };
  primary = await createFakeNode('primary', { settings });
  standby = await createFakeNode('standby', { settings });
});
afterEach(async () => {
  await primary.remove();
  await standby.remove();
});

const answers = (node: Node, peer: Node) => {
  node.peerView.last = { value: nodeStatus(peer), at: node.clock.now() };
};
const isLost = (node: Node) => {
  node.peerView.last = { value: { error: 'no answer' }, at: node.clock.now() };
};
const told = ({ announced }: FakeNode) =>
  announced.map(({ event, over }) => (over === true ? `${event} over` : event));

/** An operation that was tried, and came to this. */
const tried = async (
  { node }: FakeNode,
  kind: OperationKind,
  code?: ErrorCode,
  step = 'a-step',
): Promise<void> => {
  const { id } = await node.runner.start(
    planOf(
      [
        { name: step, run: async () => {} },
        {
          name: 'last',
          run: async () => {
            if (code !== undefined) throw new ColdspareError(code, `it says ${code}`, 'do this');
          },
        },
      ],
      { kind },
    ),
    { source: 'operator' },
  );
  await node.runner.wait(id, 10_000);
};

/** As the agent is after a restart: what it saw is gone, what is on disk is there. */
const restart = async (fake: FakeNode): Promise<() => Promise<void>> => {
  const { node, directory } = fake;
  node.state = await NodeState.open(node.disk, directory, 'standby', node.clock.now);
  node.peerView.last = undefined;
  node.local.app = undefined;
  return createAlarms(node);
};

describe('an alarm', () => {
  test('of a health check that never said yes lasts while its app is started again, and is over with its first yes', async () => {
    const { node } = primary;
    await node.state.update({ proven: {} });
    node.local.app = {
      value: { outcome: 'refuses', detail: 'ECONNREFUSED' },
      at: node.clock.now(),
    };
    const look = createAlarms(node);
    const ofCheck = () => told(primary).filter((event) => event.startsWith('health-unfit'));
    await look();
    expect(ofCheck()).toEqual(['health-unfit']);

    const starting = planOf([{ name: 'start-app', run: look }], { kind: 'boot' });
    const { id } = await node.runner.start(starting, { source: 'agent' });
    await node.runner.wait(id, 10_000);
    await look();
    expect(ofCheck()).toEqual(['health-unfit']);

    await noteHealth(node, { outcome: 'answers', status: 200 });
    await look();
    expect(ofCheck()).toEqual(['health-unfit', 'health-unfit over']);
  });

  test('of the primary is over when it hands its role on, and is not told of again when it has it back', async () => {
    const { node } = primary;
    const look = createAlarms(node);
    await tried(primary, 'backup', 'database-failed');
    await look();
    await node.state.apply('superseded', 2, { standDown: null });
    await look();
    expect(primary.announced.at(-1)?.message).toContain('it is standby now');
    await node.state.apply('promoted', 3);
    await look();
    expect(told(primary)).toEqual(['backup-failed', 'backup-failed over']);
  });

  test('"no backup could be taken" is over when the newest one is found to hold everything', async () => {
    const { node } = primary;
    const look = createAlarms(node);
    await tried(primary, 'backup', 'database-failed');
    await look();
    const at = new Date(node.clock.now() + 1_000).toISOString();
    await node.state.update({ confirmed: { backup: 'b', at } });
    await look();
    expect(told(primary)).toEqual(['backup-failed', 'backup-failed over']);
  });

  test('"no push came through" does not outlast the role', async () => {
    const { state } = primary.node;
    const push = { lastSuccessAt: null, failingSince: isoNow(primary.node), error: 'no answer' };
    await state.update({ push });
    await state.apply('superseded', 2, { standDown: null });
    expect(state.current.push).toMatchObject({ failingSince: null, error: null });
  });

  test('is told once when it begins and once when it is over', async () => {
    const look = createAlarms(standby.node);
    await look();
    expect(told(standby)).toEqual([]);
    isLost(standby.node);
    for (let round = 0; round < 5; round += 1) await look();
    expect(standby.announced).toEqual([
      {
        event: 'peer-lost',
        severity: 'warning',
        message: 'vcl3 cannot reach the other agent: no answer (http://vcl2.invalid:8080)',
        remedy:
          'look at the other server; on vcl3 this has to answer: curl -sS http://vcl2.invalid:8080/health',
      },
    ]);
    answers(standby.node, primary.node);
    for (let round = 0; round < 5; round += 1) await look();
    expect(told(standby)).toEqual(['peer-lost', 'peer-lost over']);
    isLost(standby.node);
    await look();
    expect(told(standby)).toEqual(['peer-lost', 'peer-lost over', 'peer-lost']);
  });

  test('is not told again by a restarted agent, and is over once', async () => {
    isLost(standby.node);
    await createAlarms(standby.node)();
    // It has not looked yet: neither is it known to last, nor to be over.
    const look = await restart(standby);
    await look();
    isLost(standby.node);
    await look();
    expect(told(standby)).toEqual(['peer-lost']);
    answers(standby.node, primary.node);
    await look();
    await (await restart(standby))();
    expect(told(standby)).toEqual(['peer-lost', 'peer-lost over']);
  });

  test('is told once although the disk takes nothing', async () => {
    const look = createAlarms(standby.node);
    isLost(standby.node);
    standby.node.disk.write = async () => {
      throw new Error('ENOSPC');
    };
    await look();
    await look();
    expect(told(standby)).toEqual(['peer-lost']);
  });

  test('that does not last is not worth a word', async () => {
    const patient = await createFakeNode('standby', {
      settings: { checkInterval: 60_000, failThreshold: 3 },
    });
    const look = createAlarms(patient.node);
    isLost(patient.node);
    await look();
    answers(patient.node, primary.node);
    await look();
    expect(told(patient)).toEqual([]);
    await patient.remove();
  });
});

describe('operations that came to nothing', () => {
  test('each reason of a promote is told once, however often it is tried', async () => {
    const look = createAlarms(standby.node);
    for (const code of ['no-backup', 'no-backup', 'isolated', 'no-backup'] as const) {
      await tried(standby, 'promote', code);
      await look();
    }
    expect(standby.announced.map(({ message }) => message)).toEqual([
      'vcl3 did not take over: the promote that operator asked for is rolled-back: it says no-backup',
      'vcl3 did not take over: the promote that operator asked for is rolled-back: it says isolated',
    ]);
    expect(standby.announced[0]).toMatchObject({ severity: 'critical', remedy: 'do this' });
  });

  test('what is asked again by itself, or was not wanted any more, is not told', async () => {
    const look = createAlarms(standby.node);
    for (const code of ['preempted', 'cancelled', 'primary-busy', 'busy'] as const) {
      await tried(standby, 'promote', code);
      await look();
    }
    expect(told(standby)).toEqual([]);
  });

  test('a checker that was wrong is no alarm', async () => {
    await tried(standby, 'promote', 'primary-healthy');
    await createAlarms(standby.node)();
    expect(standby.announced).toMatchObject([{ event: 'promote-failed', severity: 'info' }]);
  });

  test('a failed backup is told once, and when backups are taken again', async () => {
    const look = createAlarms(primary.node);
    for (const code of ['database-failed', 'disk-full', undefined, undefined] as const) {
      await tried(primary, 'backup', code);
      await look();
    }
    expect(told(primary)).toEqual(['backup-failed', 'backup-failed over']);
    expect(primary.announced[0]?.message).toMatch(
      /^vcl2 could not take a backup: it says database-failed \(.*_backup_.*\)$/,
    );
  });

  test('a backup that was taken and did not arrive is told as that', async () => {
    const look = createAlarms(primary.node);
    await tried(primary, 'backup', 'peer-refused', 'dump');
    await primary.node.state.update({
      push: { lastSuccessAt: null, failingSince: isoNow(primary.node), error: 'the disk is full' },
    });
    await look();
    await primary.node.state.update({
      push: { lastSuccessAt: isoNow(primary.node), failingSince: null, error: null },
    });
    await look();
    expect(told(primary)).toEqual(['push-failed', 'push-failed over']);
    expect(primary.announced[0]?.message).toContain('vcl2');
    expect(primary.announced[0]?.message).toContain('the disk is full');
  });

  test('a restarted agent knows of the failure before, and tells its end', async () => {
    await tried(primary, 'backup', 'database-failed');
    await createAlarms(primary.node)();
    const look = await restart(primary);
    await look();
    await tried(primary, 'backup');
    await look();
    expect(told(primary)).toEqual(['backup-failed', 'backup-failed over']);
  });

  test('a standby that cannot restore ahead of time, and a handover that came to nothing', async () => {
    await tried(standby, 'prepare', 'database-failed');
    await createAlarms(standby.node)();
    expect(standby.announced).toMatchObject([{ event: 'prepare-failed', severity: 'warning' }]);
    await tried(primary, 'handover', 'peer-not-ready');
    await createAlarms(primary.node)();
    expect(primary.announced).toMatchObject([{ event: 'handover-failed', severity: 'warning' }]);
  });
});

describe('what a node sees of itself', () => {
  test('the app of a primary is down, and why its last start failed', async () => {
    const look = createAlarms(primary.node);
    await primary.app.stop();
    primary.node.local.app = { value: await primary.app.check(), at: 0 };
    await tried(primary, 'boot', 'app-failed');
    await look();
    expect(primary.announced).toEqual([
      {
        event: 'app-down',
        severity: 'critical',
        message:
          'vcl2 is the primary, and its app does not answer: refuses (ECONNREFUSED); the last start failed: it says app-failed',
        remedy: 'do this',
      },
    ]);
    await primary.app.start();
    primary.node.local.app = { value: await primary.app.check(), at: 0 };
    await look();
    expect(told(primary)).toEqual(['app-down', 'app-down over']);
  });

  test.each(['primary', 'standby'] as const)(
    'a %s without a recent backup says so',
    async (role) => {
      const fake = await createFakeNode(role, { settings: { backupMaxAge: -1 } });
      const look = createAlarms(fake.node);
      for (let round = 0; round < 3; round += 1) await look();
      expect(fake.announced).toMatchObject([
        {
          event: 'backup-stale',
          severity: 'critical',
          message: expect.stringContaining(
            'has no recent backup, so a takeover could lose data: there is none',
          ),
          remedy: expect.stringContaining('POST /backups on the primary'),
        },
      ]);
      await fake.remove();
    },
  );

  test('an app that is stopped during a pause is meant to be', async () => {
    const { node } = primary;
    await node.state.update({ pause: { until: '2999-01-01T00:00:00.000Z', reason: 'deploy' } });
    await primary.app.stop();
    node.local.app = { value: await primary.app.check(), at: 0 };
    await createAlarms(node)();
    expect(told(primary)).toEqual([]);
  });

  test('a promise that nobody can settle says how to take it back', async () => {
    const yielding = { operation: 'x_promote_y', epoch: 2, finalBackup: null, writes: null };
    await primary.node.state.apply('yield', 1, { yielding: { ...yielding, cause: 'fence' } });
    isLost(primary.node);
    await createAlarms(primary.node)();
    expect(primary.announced).toContainEqual(
      expect.objectContaining({
        event: 'yielding',
        severity: 'critical',
        message: expect.stringContaining('x_promote_y'),
        remedy: 'when the other node is gone for good: POST /promote {"force": true} on vcl2',
      }),
    );
  });

  test('serving alone is over when the other agent has answered', async () => {
    const look = createAlarms(primary.node);
    isLost(primary.node);
    primary.node.peerView.servingWithoutPeer = 'the other agent did not answer for 30 s';
    await look();
    primary.node.peerView.servingWithoutPeer = undefined;
    await look();
    expect(told(primary)).toEqual(['peer-lost', 'serving-alone']);
    answers(primary.node, standby.node);
    await look();
    expect(told(primary).slice(2)).toEqual(['peer-lost over', 'serving-alone over']);
  });

  test('an app that was started again and again is told once', async () => {
    const look = createAlarms(standby.node);
    for (let round = 0; round < 3; round += 1) {
      standby.node.local.foreignApp = { value: 'why', at: standby.node.clock.now() };
      await look();
    }
    await (await restart(standby))();
    expect(told(standby)).toEqual(['app-stopped']);
  });

  test('the end of a pause is told once, with what is due by then', async () => {
    const { node } = standby;
    const look = createAlarms(node);
    const end = (ago: number) => new Date(node.clock.now() - ago).toISOString();
    isLost(node);
    await node.state.update({ pause: { until: end(-60_000), reason: 'deploy' } });
    await look();
    expect(told(standby)).toEqual(['peer-lost']);
    await node.state.update({ pause: { until: end(1), reason: 'deploy' } });
    await look();
    await (await restart(standby))();
    expect(standby.announced.slice(1)).toMatchObject([
      {
        event: 'pause-ended',
        severity: 'warning',
        message:
          'vcl3 goes on with failover and failback, for its pause has ended: it was for deploy; the primary does not serve',
      },
    ]);
  });
});

test('an agent is restarted while there is no room for a restore: nobody is told that there is, before it has looked', async () => {
  const { node } = standby;
  await node.state.update({ announced: { 'no-room': [''] } });
  const look = createAlarms(node);
  await look();
  expect(told(standby)).not.toContain('no-room over');
  expect(node.state.current.announced).toHaveProperty('no-room');
  node.local.noRoom = null;
  await look();
  expect(told(standby)).toContain('no-room over');
});
