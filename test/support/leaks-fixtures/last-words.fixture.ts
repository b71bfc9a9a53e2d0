import { mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';

const directory = join(tmpdir(), 'vcl2');

test('an agent does not serve', async () => {
  await mkdir(directory);
  const lines = ['{"msg":"fence failed"}', '{"status":200,"msg":"request"}', ''];
  await writeFile(join(directory, 'agent.log'), lines.join('\n'));
  expect('silent').toBe('serving');
});

afterAll(() => rm(directory, { recursive: true }));
