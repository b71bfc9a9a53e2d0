import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'vitest';

test('leaves a server that listens', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
});
