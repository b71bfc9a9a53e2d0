import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AgentClient } from '../../src/cli/agent-client.js';
import { doctor } from '../../src/cli/commands/doctor.js';
import { Screen } from '../../src/cli/screen.js';
import { runCommand } from '../../src/drivers/run-command.js';
import { nodeStatus } from '../support/node-status.js';
import { TOKENS } from '../support/tokens.js';

const MAIN = resolve('dist/src/main.js');

describe('H99: a folder or an address that is not what was meant', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'h99-'));
    await writeFile(join(folder, 'a-file'), '');
  });
  afterAll(() => rm(folder, { recursive: true }));

  /** What an agent with these variables prints when it does not start. */
  const start = async (more: Record<string, string>): Promise<string> => {
    const env = {
      PATH: process.env.PATH ?? '',
      NODE_NAME: 'vcl2',
      INITIAL_ROLE: 'primary',
      PEER_URL: 'http://127.0.0.1:1',
      DB_NAME: 'shop',
      APP_HEALTH_URL: 'http://127.0.0.1:1/',
      PEER_TOKEN: TOKENS.peer,
      ADMIN_TOKEN: TOKENS.admin,
      WEBHOOK_TOKEN: TOKENS.webhook,
      STATE_DIR: join(folder, 'state'),
      HOST: '127.0.0.1',
      PORT: '0',
      ...more,
    };
    const run = promisify(execFile)(process.execPath, [MAIN], { env, cwd: folder });
    const { stderr } = await run.then(
      () => ({ stderr: 'it has started' }),
      (error: { stderr: string }) => error,
    );
    return stderr;
  };

  test.each([
    ['STATE_DIR', 'a-file'],
    ['STATE_DIR', 'a-file/state'],
    ['BACKUP_DIR', 'a-file/backups'],
    ['COMPOSE_PROJECT_DIR', 'nowhere'],
    ['COMPOSE_PROJECT_DIR', 'a-file'],
  ])('%s=…/%s: it does not start, and names the variable without a stack', async (name, path) => {
    const said = await start({ [name]: join(folder, path) });
    expect(said).toContain(`${name}=${join(folder, path)}`);
    expect(said).not.toMatch(/^\s+at /m);
  });

  test('a program whose folder is gone: the folder is named, not the program', async () => {
    const cwd = join(folder, 'gone');
    await expect(runCommand(['true'], { timeout: 5_000, cwd })).rejects.toThrow(
      `there is no folder ${cwd}`,
    );
  });

  test('a node whose peer is itself is named, and not compared with itself', async () => {
    const status = {
      ...nodeStatus('vcl2'),
      peer: { ...nodeStatus('vcl2').peer, url: 'http://b:1' },
    };
    const agent = {
      get: async () => ({ body: status }),
      at: () => agent,
    } as unknown as AgentClient;
    const screen = new Screen(process.stdout);
    const { lines, exit } = await doctor({ agent, peer: undefined, screen, json: false });
    expect(lines.join('\n')).toContain('both say that they are vcl2');
    expect(lines.join('\n')).not.toContain('both are primary');
    expect(exit).toBe(1);
  });
});
