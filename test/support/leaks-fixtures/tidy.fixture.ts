import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, test } from 'vitest';

const server = createServer();
const child = spawn('sleep', ['303'], { detached: true, stdio: 'ignore' });
const file = join(tmpdir(), 'remembered.dump');

test('uses a process, a port and a file', async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  await writeFile(file, '');
});

afterAll(async () => {
  server.close();
  child.kill();
  await rm(file);
});
