import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findViolations, type SourceFile } from '../support/architecture.js';

const ROOT = new URL('../../', import.meta.url).pathname;

const readSources = async (): Promise<SourceFile[]> => {
  const entries = await readdir(join(ROOT, 'src'), { recursive: true });
  const paths = entries.filter((entry) => entry.endsWith('.ts')).map((entry) => `src/${entry}`);
  return Promise.all(
    paths.map(async (path) => ({ path, text: await readFile(join(ROOT, path), 'utf8') })),
  );
};

describe('architecture', () => {
  test('every file of src/ holds to the rules', async () => {
    const sources = await readSources();
    expect(sources).not.toEqual([]);
    expect(findViolations(sources)).toEqual([]);
  });

  test.each<[name: string, path: string, text: string, violation: string]>([
    [
      'the engine asks the operations above it',
      'src/engine/journal.ts',
      `import { planPromote } from '../operations/promote/promote.js';`,
      'src/engine/journal.ts → src/operations/promote/promote.ts: imports point one way',
    ],
    [
      'an import over several lines, of types alone, is one too',
      'src/ports/stack.ts',
      `import type {\n  Journal,\n  NodeState,\n} from '../engine/journal.js';`,
      'src/ports/stack.ts → src/engine/journal.ts: imports point one way',
    ],
    [
      'an export from another file is an import',
      'src/domain/errors.ts',
      `export { now } from '../ports/clock.js';`,
      'src/domain/errors.ts → src/ports/clock.ts: imports point one way',
    ],
    [
      'the routes start what happens by itself',
      'src/http/routes/pause.ts',
      `import { startSchedules } from '../../background/schedules.js';`,
      'src/http/routes/pause.ts → src/background/schedules.ts: imports point one way',
    ],
    [
      'a driver decides what only an operation may',
      'src/drivers/host/stack.ts',
      `import { planPromote } from '../../operations/promote/promote.js';`,
      'src/drivers/host/stack.ts → src/operations/promote/promote.ts: a driver knows ports',
    ],
    [
      'an operation builds its own driver',
      'src/operations/backup/backup.ts',
      `const { createHostStack } = await import('../../drivers/host/stack.js');`,
      'src/operations/backup/backup.ts → src/drivers/host/stack.ts: only src/main.ts builds drivers',
    ],
    [
      'a driver runs a program behind the back of command.ts',
      'src/drivers/postgres/dump.ts',
      `import { exec } from 'node:child_process';`,
      'src/drivers/postgres/dump.ts → node:child_process: only src/drivers/run-command.ts runs programs',
    ],
    [
      'the domain reads the disk',
      'src/domain/manifest.ts',
      `import { readFile } from 'node:fs/promises';`,
      'src/domain/manifest.ts → node:fs/promises: the domain needs nothing but zod',
    ],
    [
      'the command line reaches into an agent',
      'src/cli/commands/status.ts',
      `import { nodeStatus } from '../../status/node-status.js';`,
      'src/cli/commands/status.ts → src/status/node-status.ts: the command line knows an agent over HTTP',
    ],
    [
      'an operation answers a request',
      'src/operations/promote/promote.ts',
      `import type { Context } from 'hono';`,
      'src/operations/promote/promote.ts → hono: only src/http speaks HTTP to callers',
    ],
    [
      'the domain has a table of status codes',
      'src/domain/errors.ts',
      `export const STATUS = { 'no-backup': { status: 409 } };`,
      'src/domain/errors.ts: "status: 409": only src/http knows status codes',
    ],
    [
      'the domain chooses the status of an answer',
      'src/operations/requests.ts',
      `return context.json({ error: sayWhy(refusal) }, 409);`,
      'only src/http knows status codes',
    ],
    [
      'a file outgrows its purpose',
      'src/engine/runner.ts',
      'export {};\n'.repeat(301),
      'src/engine/runner.ts: has 301 lines',
    ],
    [
      'the agent knows the application',
      'src/status/node-status.ts',
      `const url = '/coffees';`,
      'src/status/node-status.ts: mentions coffee',
    ],
    ['a file is in no room', 'src/helpers.ts', 'export {};', 'src/helpers.ts: belongs to no room'],
  ])('%s: found', (_name, path, text, violation) => {
    expect(findViolations([{ path, text }])).toEqual([expect.stringContaining(violation)]);
  });

  test.each<[name: string, path: string, text: string]>([
    ['the root builds drivers', 'src/main.ts', `import { x } from './drivers/host/stack.js';`],
    ['a floor may be skipped', 'src/http/app.ts', `import { x } from '../domain/errors.js';`],
    ['a received status is compared', 'src/ports/probe.ts', 'const isFine = status === 200;'],
    ['the domain describes data', 'src/domain/manifest.ts', `import { z } from 'zod';`],
    ['routes choose a status', 'src/http/app.ts', `context.json({ done }, 202);`],
    ['limits are not status codes', 'src/domain/commands.ts', 'z.string().max(500).default("")'],
  ])('%s: allowed', (_name, path, text) => {
    expect(findViolations([{ path, text }])).toEqual([]);
  });
});
