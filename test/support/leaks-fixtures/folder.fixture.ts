import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';

test('leaves an empty folder', async () => {
  expect(await mkdtemp(join(tmpdir(), 'forgotten-folder-'))).toContain('forgotten-folder-');
});
