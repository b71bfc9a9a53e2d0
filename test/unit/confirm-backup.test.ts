import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ageOf } from '../../src/operations/choose-steps.js';
import { confirmNewestBackup } from '../../src/operations/confirm-backup.js';
import { confirmBackup } from '../../src/operations/receive.js';
import { requestBackup } from '../../src/operations/requests.js';
import { ColdspareError } from '../../src/pure/errors.js';
import { createFakeNode, type FakeNode } from '../support/fake-node.js';

const HOUR = 3_600_000;

let primary: FakeNode;
let told: string[];
let now: number;
beforeEach(async () => {
  primary = await createFakeNode('primary');
  told = [];
  now = Date.now();
  const { node } = primary;
  node.clock.now = () => now;
  node.peer.upload = async (_id, content) => {
    content.resume();
    return { bytes: 0, sha256: '' };
  };
  node.peer.commit = async () => {};
  node.peer.confirm = async (id) => {
    told.push(id);
  };
});
afterEach(() => primary.remove());

const backUp = async (): Promise<string> => {
  const { runner } = primary.node;
  const { id } = await requestBackup(primary.node, { reason: '' }, { source: 'operator' });
  const record = await runner.wait(id, 10_000);
  return String(record?.result?.backup);
};
const age = () => {
  const [newest] = primary.node.backups.list();
  return newest && ageOf(primary.node, newest);
};

test('a backup that holds everything is as young as the last look at it', async () => {
  const id = await backUp();
  now += HOUR;
  expect(age()).toBe(HOUR);
  expect(await confirmNewestBackup(primary.node)).toBe(id);
  expect(told).toEqual([id]);
  expect(age()).toBe(0);
  now += 5;
  expect(age()).toBe(5);
});

describe('a new backup is due when', () => {
  const isDue = async () => {
    now += HOUR;
    expect(await confirmNewestBackup(primary.node)).toBeUndefined();
    expect(age() ?? HOUR).toBe(HOUR);
  };

  test('there is none', isDue);

  test('something was written', async () => {
    await backUp();
    primary.database.databases.set('ledger', { rows: { more: 1 }, marker: undefined });
    await isDue();
    expect(told).toEqual([]);
  });

  test('the newest did not reach the other node', async () => {
    await backUp();
    await primary.node.state.update({
      push: { lastSuccessAt: null, failingSince: new Date(now).toISOString(), error: 'no' },
    });
    await isDue();
  });

  test("the newest is the other node's, of the epoch before", async () => {
    await backUp();
    primary.node.settings.nodeName = 'vcl3';
    await isDue();
  });

  test('the database cannot be asked', async () => {
    await backUp();
    primary.database.isUp = false;
    await isDue();
  });

  test.each(['peer-unreachable', 'peer-refused'] as const)(
    'the other node does not take the word for it (%s)',
    async (code) => {
      await backUp();
      primary.node.peer.confirm = async () => {
        throw new ColdspareError(code, 'it has no such backup', 'none');
      };
      await isDue();
    },
  );
});

test('a standby takes no word for a backup that it does not have', async () => {
  const standby = await createFakeNode('standby');
  const at = new Date(now).toISOString();
  await expect(confirmBackup(standby.node, 'ledger_20261122_120000', at)).rejects.toMatchObject({
    code: 'backup-not-found',
  });
  expect(standby.node.state.current.confirmed).toBeNull();
  await standby.remove();
});
