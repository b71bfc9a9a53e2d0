import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'vitest';

test('leaves a file', async () => {
  await writeFile(join(tmpdir(), 'forgotten.dump'), '');
});
