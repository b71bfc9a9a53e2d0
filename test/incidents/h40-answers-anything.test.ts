import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createHostStack } from '../../src/drivers/host/stack.js';
import { createHttpProbe } from '../../src/drivers/http-probe.js';
import { createPeerMachine } from '../../src/drivers/ssh/peer-machine.js';
import { type Authority, createAuthority } from '../support/certificates.js';
import { freePort } from '../support/postgres.js';
import { describeSshd, Sshd } from '../support/sshd.js';

const patience = new AbortController().signal;
/** Milliseconds until an app that goes on answering counts as not stopped. */
const STILL_UP = 1_000;

const servers: Server[] = [];
let authority: Authority;
let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'coldspare-h40-'));
  // Nobody but the test knows this authority: to the agent its certificates are as bad as expired ones.
  authority = await createAuthority();
});
afterAll(async () => {
  await authority?.remove();
  await rm(directory, { recursive: true, force: true });
});
afterEach(async () => {
  for (const server of servers.splice(0)) await once(server.close(), 'close');
});

const listening = async (server: Server): Promise<number> => {
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
};
const ok: RequestListener = (_request, response) => response.end('ok');

/** Apps that serve users and that the health check cannot read. Each resolves to its URL. */
const APPS: Record<string, () => Promise<string>> = {
  'has a certificate that is not trusted': async () => {
    const { cert, key } = authority.files('vcl2');
    const files = { cert: await readFile(cert), key: await readFile(key) };
    return `https://127.0.0.1:${await listening(createTlsServer(files, ok))}/`;
  },
  'resets the connection': async () =>
    `http://127.0.0.1:${await listening(createTcpServer((socket) => void socket.once('data', () => socket.resetAndDestroy())))}/`,
  'speaks TLS where plain HTTP is asked for': async () => {
    const { cert, key } = authority.files('vcl2');
    const files = { cert: await readFile(cert), key: await readFile(key) };
    return `http://127.0.0.1:${await listening(createTlsServer(files, ok))}/`;
  },
  'answers 302': async () =>
    `http://127.0.0.1:${await listening(createHttpServer((_request, response) => response.writeHead(302).end()))}/`,
};

describe('H40: the stop command does nothing, and the app answers something that is no health', () => {
  const database = { host: '127.0.0.1', port: 1, user: 'postgres', name: 'shop' };
  const stopHere = (appHealthUrl: string) =>
    createHostStack({
      ...{ database, appHealthUrl, probe: createHttpProbe() },
      appCommands: { start: 'true', stop: 'true' },
      log: join(directory, 'services.log'),
      timeouts: { start: STILL_UP, stop: STILL_UP },
    }).app.stop(patience);

  test.each(Object.entries(APPS))(
    'an app that %s is not taken for stopped',
    async (_what, start) => {
      const url = await start();
      await expect(stopHere(url)).rejects.toMatchObject({
        code: 'app-failed',
        message: expect.stringContaining(`something still listens at ${url}`),
      });
    },
  );

  test('only a refused connection says that it is stopped', async () => {
    await stopHere(`http://127.0.0.1:${await freePort()}/`);
    await stopHere(`http://localhost:${await freePort()}/`);
  });
});

describeSshd('H40: the same over SSH', () => {
  let sshd: Sshd;
  beforeAll(async () => {
    sshd = await Sshd.start();
  });
  afterAll(() => sshd?.remove());

  const stopThere = async (appUrl: string, appStopCommand: string) => {
    const { user, port, keyFile, hostKey } = sshd;
    const machine = createPeerMachine({
      ssh: { user, host: '127.0.0.1', port, keyFile, hostKey },
      database: { host: '127.0.0.1', port: 1, user: 'postgres', name: 'shop' },
      ...{ appUrl, appStopCommand, probe: createHttpProbe() },
      timeouts: { start: 30_000, stop: 30_000, stillUp: STILL_UP },
    });
    await machine.reach(patience, ({ app }) => app.stop(patience, true));
  };

  test.each([
    ['has a certificate that is not trusted', 'true'],
    ['resets the connection', 'false'],
    ['answers 302', 'true'],
  ])('an app that %s is not stopped by "%s"', async (what, command) => {
    const url = (await APPS[what]?.()) ?? '';
    await expect(stopThere(url, command)).rejects.toMatchObject({ code: 'ssh-command-failed' });
  });

  test.each([
    ['answers 502', createHttpServer((_request, response) => response.writeHead(502).end())],
    ['hangs up', createTcpServer((socket) => void socket.once('data', () => socket.destroy()))],
  ])('a proxy that %s, for nothing is behind it, is no app', async (_what, proxy) => {
    await stopThere(`http://127.0.0.1:${await listening(proxy)}/`, 'true');
  });

  test('a stop command that fails is forgiven when nothing listens', async () => {
    await stopThere(`http://127.0.0.1:${await freePort()}/`, 'false');
  });
});
