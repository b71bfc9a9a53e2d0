import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'vitest';

const SERVER = `require('node:net').createServer().listen(0, '127.0.0.1', () => console.log('up'))`;

test('leaves a process that listens', async () => {
  const server = spawn(process.execPath, ['-e', SERVER], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await once(server.stdout, 'data');
  server.unref();
});
