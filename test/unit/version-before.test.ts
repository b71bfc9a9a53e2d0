import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { manifestSchema } from '../../src/domain/manifest.js';
import type { OperationRecord } from '../../src/domain/operation.js';
import { recover } from '../../src/operations/boot/recover.js';
import { planResumed } from '../../src/operations/commands.js';
import { createFakeNode, type FakeNode } from '../support/fake-node.js';

/**
 * State directories that agents of version 0.1.0, commit ee3578f, left behind: two after a graceful stop, the others when
 * the agent was killed at the last step in its journal. An agent of today has to start on them, so they never change.
 */
const DIRECTORY = 'test/support/version-before';
const CASES = readdirSync(DIRECTORY);
const WITH_BACKUPS = CASES.filter((name) => existsSync(join(DIRECTORY, name, 'backups')));

let upgraded: FakeNode | undefined;
afterEach(async () => {
  vi.useRealTimers();
  await upgraded?.remove();
  upgraded = undefined;
});

const upgrade = async (name: string): Promise<FakeNode> => {
  upgraded = await createFakeNode('standby', { stateFrom: join(DIRECTORY, name) });
  return upgraded;
};

const readJson = (...path: string[]) => JSON.parse(readFileSync(join(DIRECTORY, ...path), 'utf8'));

describe('an agent of the version before has ended, and one of today starts on its directory', () => {
  test.each(CASES)('%s: its state is written back as it was', async (name) => {
    const { node, directory } = await upgrade(name);
    await node.state.update({});
    const written = JSON.parse(await readFile(join(directory, 'state.json'), 'utf8'));
    expect(written).toEqual(readJson(name, 'state.json'));
  });

  test.each(WITH_BACKUPS)('%s: its backup is read as it was', (name) => {
    const [file = ''] = readdirSync(join(DIRECTORY, name, 'backups'));
    const manifest = readJson(name, 'backups', file);
    expect(manifestSchema.parse(manifest)).toEqual(manifest);
  });

  test.each([
    [
      'a promote before its commit begins again',
      'promote-before-its-commit',
      'stop-app',
      'confirm',
    ],
    ['a promote after its commit serves', 'promote-after-its-commit', 'ask-peer', 'check-lineage'],
    ['a handover freezes and asks the peer again', 'handover-offered', 'freeze', 'offer'],
  ])('%s', async (_what, name, ...firstSteps) => {
    const { node } = await upgrade(name);
    const cut = node.runner.list()[0] as OperationRecord;
    // What was cut long ago is not taken up.
    vi.useFakeTimers({ toFake: ['Date'], now: new Date(cut.startedAt) });
    const plan = planResumed(node, cut);
    expect(plan?.kind).toBe(cut.kind);
    expect(plan?.steps.slice(0, 2)).toEqual(firstSteps);
    expect(plan?.isCommitted(cut)).toBe(cut.committed);
  });

  test('a fence holds: the node does not serve', async () => {
    const { node, app } = await upgrade('fence-promised');
    const cut = node.runner.list()[0] as OperationRecord;
    app.runs = true;
    await recover(node);
    await node.runner.wait(node.runner.current?.id ?? '', 10_000);
    expect(node.runner.get(cut.id)).toMatchObject({ state: 'done', committed: true });
    expect(node.state.current.mode).toBe('yielding');
    expect(app.runs).toBe(false);
  });
});
