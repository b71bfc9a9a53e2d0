import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { request } from 'node:https';
import { connect as connectPlain } from 'node:net';
import { json } from 'node:stream/consumers';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createHttpPeer } from '../../src/drivers/http-peer.js';
import { openTlsFiles } from '../../src/drivers/tls-files.js';
import type { CredentialFiles } from '../../src/ports/credentials.js';
import { type Authority, createAuthority, renew } from '../support/certificates.js';
import { type Client, type Service, startService, TOKENS } from '../support/http.js';

let ours: Authority;
let theirs: Authority;
let service: Service;
let credentials: CredentialFiles;
beforeAll(async () => {
  [ours, theirs] = await Promise.all([createAuthority(), createAuthority()]);
  credentials = await openTlsFiles(ours.files('vcl2'), Date.now);
  service = await startService('standby', { credentials });
});
afterAll(async () => {
  await service.close();
  await Promise.all([ours.remove(), theirs.remove()]);
});

const certificateOf = (authority: Authority) => {
  const { cert, key } = authority.files('vcl3');
  return { cert: readFileSync(cert), key: readFileSync(key) };
};

interface Reply {
  status: number | undefined;
  code?: string;
}

const ask = async (
  path: string,
  client?: Client,
  options: ConnectionOptions = {},
): Promise<Reply> => {
  const headers = client === undefined ? {} : { Authorization: `Bearer ${TOKENS[client]}` };
  const ca = readFileSync(ours.files('vcl2').ca);
  const asked = request(`${service.url}${path}`, { headers, ca, agent: false, ...options }).end();
  const [response] = await once(asked, 'response');
  const { code } = (await json(response)) as { code?: string };
  return { status: response.statusCode, ...(code !== undefined && { code }) };
};

const needed = { status: 403, code: 'certificate-needed' };

describe('with TLS_CA', () => {
  test('people, checkers and load balancers need no certificate', async () => {
    expect(await ask('/standby')).toEqual({ status: 200 });
    expect(await ask('/status', 'admin')).toEqual({ status: 200 });
    expect(
      (
        await ask(
          '/webhooks/healthchecks?code=6f1b1a3e-2f6c-4b7e-9d52-0d9a4e0c7b11&name=shop&status=up',
          'webhook',
        )
      ).status,
    ).toBe(200);
  });

  test.each(['/status', '/backups', '/operations', '/operations/abcdefgh'])(
    'the peer’s key is accepted by %s only with a certificate of TLS_CA',
    async (path) => {
      expect(await ask(path, 'peer')).toEqual(needed);
      expect(await ask(path, 'peer', certificateOf(theirs))).toEqual(needed);
      expect((await ask(path, 'peer', certificateOf(ours))).status).not.toBe(403);
    },
  );

  test('a certificate without the key is refused', async () => {
    expect((await ask('/status', undefined, certificateOf(ours))).status).toBe(401);
  });

  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'a resumed session without a certificate is no certificate (%s)',
    async (version) => {
      const versions = { minVersion: version, maxVersion: version };
      const first = await talk(versions);
      const second = await talk({ ...versions, ...(first.session && { session: first.session }) });
      expect(second.isReused).toBe(false);
      expect(second.answer).toContain('certificate-needed');
    },
  );

  test('what is no TLS is cut, and the next one is served', async () => {
    const socket = connectPlain(Number(new URL(service.url).port), '127.0.0.1');
    socket.on('error', () => {});
    socket.write('GET /health HTTP/1.1\r\nHost: a\r\n\r\n');
    await once(socket, 'close');
    expect(await ask('/standby')).toEqual({ status: 200 });
  });
});

/** One question with the peer's key over a connection that may take up an older session. */
const talk = async (options: ConnectionOptions) => {
  const socket: TLSSocket = connect({
    ...{ host: '127.0.0.1', port: Number(new URL(service.url).port) },
    ...{ ca: readFileSync(ours.files('vcl2').ca), ...options },
  });
  let session: Buffer | undefined;
  socket.on('session', (made) => {
    session = made;
  });
  await once(socket, 'secureConnect');
  const isReused = socket.isSessionReused();
  socket.write(
    `GET /status HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${TOKENS.peer}\r\nConnection: close\r\n\r\n`,
  );
  let answer = '';
  socket.on('data', (data) => {
    answer += data;
  });
  await once(socket, 'close');
  return { session, isReused, answer };
};

describe('the other agent', () => {
  const peer = (url: string, own?: CredentialFiles) =>
    createHttpPeer({
      instance: 'of-the-tests',
      ...{ url, token: TOKENS.peer, node: 'me', statusTimeout: 10_000, epoch: () => 1 },
      onEpoch: async () => {},
      ...(own && { credentials: own }),
    });

  test('shows its certificate, and believes ours', async () => {
    const own = await openTlsFiles(ours.files('vcl3'), Date.now);
    expect(await peer(service.url, own).status()).toMatchObject({ node: 'vcl3' });
  });

  test('believes no certificate of another authority', async () => {
    const own = await openTlsFiles(theirs.files('vcl3'), Date.now);
    await expect(peer(service.url, own).status()).rejects.toMatchObject({
      code: 'peer-unreachable',
      message: expect.stringContaining('certificate'),
      remedy: expect.stringContaining('TLS_CA of both nodes'),
    });
  });

  test('believes no private authority without TLS_CA', async () => {
    await expect(peer(service.url).status()).rejects.toMatchObject({ code: 'peer-unreachable' });
  });

  test('believes no certificate that is not for the host in PEER_URL', async () => {
    const narrow = await createAuthority();
    // For 127.0.0.1 and nothing else.
    await renew(narrow.files('vcl2'), 30);
    const there = await startService('standby', {
      credentials: await openTlsFiles(narrow.files('vcl2'), Date.now),
    });
    const own = await openTlsFiles(narrow.files('vcl3'), Date.now);
    expect(await peer(there.url, own).status()).toMatchObject({ node: 'vcl3' });
    const byName = there.url.replace('127.0.0.1', 'localhost');
    await expect(peer(byName, own).status()).rejects.toMatchObject({
      code: 'peer-unreachable',
      message: expect.stringContaining('ERR_TLS_CERT_ALTNAME_INVALID'),
    });
    await there.close();
    await narrow.remove();
  });

  test('without a certificate is told what is missing, and not that its key is wrong', async () => {
    const own = await openTlsFiles(ours.files('vcl3'), Date.now);
    const bare = { ...own, current: { ...own.current, ...foreignPair() } };
    await expect(peer(service.url, bare).status()).rejects.toMatchObject({
      ...{ code: 'peer-refused', value: 'certificate-needed' },
      remedy: expect.stringContaining('TLS_CERT, TLS_KEY and TLS_CA on both nodes'),
    });
  });
});

const foreignPair = () => {
  const { cert, key } = certificateOf(theirs);
  return { certificate: cert.toString(), key: key.toString() };
};

test('a new certificate is shown to the next one who comes, and an open connection goes on', async () => {
  const { cert, key, ca } = ours.files('vcl2');
  const shown = async () => {
    const socket = connect({
      ...{ host: '127.0.0.1', port: Number(new URL(service.url).port), ca: readFileSync(ca) },
    });
    await once(socket, 'secureConnect');
    return { socket, subject: socket.getPeerCertificate().subject.CN };
  };
  const before = await shown();
  expect(before.subject).toBe('vcl2');
  await Promise.all([copyFile(cert, `${cert}.old`), copyFile(key, `${key}.old`)]);
  await renew(ours.files('vcl2'), 30);
  await credentials.refresh();
  const after = await shown();
  expect(after.subject).toBe('renewed');
  after.socket.destroy();
  before.socket.write('GET /standby HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  expect(String((await once(before.socket, 'data'))[0])).toMatch(/^HTTP\/1.1 200 /);
  await once(before.socket, 'close');
});
