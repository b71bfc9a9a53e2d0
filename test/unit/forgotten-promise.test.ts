import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { AgentProcess } from '../../scripts/lib/agent-process.js';
import { freePorts } from '../../scripts/lib/free-port.js';
import { TOKENS } from '../support/tokens.js';

/** Code in the agent that forgets a promise, or throws outside of one, at a signal. */
const FORGETFUL =
  "process.on('SIGUSR2',()=>void Promise.reject(new Error('nobody awaited this')));" +
  "process.on('SIGWINCH',()=>{throw new Error('thrown outside of promises')})";

let directory: string;
let agent: AgentProcess;
let log: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'forgotten-'));
  log = join(directory, 'agent.log');
  await mkdir(join(directory, 'state'));
  const [port = 0, closed = 0] = await freePorts(2);
  agent = new AgentProcess(
    {
      NODE_NAME: 'vcl2',
      INITIAL_ROLE: 'standby',
      PORT: `${port}`,
      STATE_DIR: join(directory, 'state'),
      BACKUP_DIR: join(directory, 'backups'),
      PEER_URL: `http://127.0.0.1:${closed}`,
      PEER_TOKEN: TOKENS.peer,
      ADMIN_TOKEN: TOKENS.admin,
      WEBHOOK_TOKEN: TOKENS.webhook,
      STACK: 'host',
      DB_NAME: 'shop',
      DB_PORT: `${closed}`,
      APP_START_COMMAND: 'true',
      APP_STOP_COMMAND: 'true',
      APP_HEALTH_URL: `http://127.0.0.1:${closed}/`,
      WATCHDOG_TIMEOUT: '0',
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(FORGETFUL)}`,
    },
    log,
    resolve('dist/src/main.js'),
  );
  await agent.start();
});
afterEach(async () => {
  await agent.kill();
  await rm(directory, { recursive: true });
});

const lines = async () => (await readFile(log, 'utf8')).split('\n');

test('r01: a failure that nothing handled is logged as an error, and the agent goes on', async () => {
  process.kill(agent.pid ?? 0, 'SIGUSR2');
  const found = async () => (await lines()).find((line) => line.includes('nobody awaited this'));
  await expect.poll(found).toMatch(/"level":"error".*nothing handled/);
  expect(await agent.get('/health')).toHaveProperty('status');
  expect(agent.isRunning).toBe(true);
});

test('an exception outside of promises ends the agent: nobody knows what it left half-done', async () => {
  process.kill(agent.pid ?? 0, 'SIGWINCH');
  await expect.poll(() => agent.isRunning).toBe(false);
  expect(await readFile(log, 'utf8')).toContain('thrown outside of promises');
});
