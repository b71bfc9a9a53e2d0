import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { Journal } from '../../src/engine/journal.js';
import { recover } from '../../src/operations/boot/recover.js';
import { createFakeNode, type FakeNode } from '../support/fake-node.js';

const WITHOUT_START = { id: 'x', kind: 'promote', state: 'done', steps: [] };

describe('H55: a file of the history holds something else', () => {
  let fake: FakeNode | undefined;
  afterEach(() => fake?.remove());

  test.each([
    ['null', 'null'],
    ['an empty object', '{}'],
    ['a list', '[]'],
    ['a record without its start', JSON.stringify(WITHOUT_START)],
    ['half of a record', '{"id": "x", "ki'],
    ['nothing', ''],
    ['a record under another name', JSON.stringify({ ...WITHOUT_START, id: 'y' })],
  ])('%s is set aside by name, and the agent starts', async (_what, text) => {
    fake = await createFakeNode('primary');
    const { node, directory } = fake;
    const operations = join(directory, 'operations');
    await mkdir(operations, { recursive: true });
    await writeFile(join(operations, 'x.json'), text);

    const asides: string[] = [];
    const journal = await Journal.open(node.disk, directory, (path) => asides.push(path));
    expect(journal.list()).toEqual([]);
    expect(asides).toEqual([join(operations, 'x.json.unreadable')]);
    expect(await readdir(operations)).toContain('x.json.unreadable');
    await recover(node);
    expect(node.runner.list().length).toBeGreaterThan(0);
    await node.runner.stop();

    // The next start has nothing to say about it.
    await Journal.open(node.disk, directory, () => expect.unreachable());
  });
});
