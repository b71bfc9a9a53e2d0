import { spawn } from 'node:child_process';
import { test } from 'vitest';

test('leaves a process and dies before anything can look', () => {
  spawn('sleep', ['302'], { detached: true, stdio: 'ignore' }).unref();
  process.kill(process.pid, 'SIGKILL');
});
