import { spawn } from 'node:child_process';
import { test } from 'vitest';

test('leaves a child that has no environment', () => {
  spawn('/bin/sleep', ['301'], { env: {}, stdio: 'ignore' }).unref();
});
