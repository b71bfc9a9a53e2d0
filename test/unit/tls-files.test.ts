import { copyFile, rm, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createAlarms } from '../../src/background/alarms.js';
import { createCertificateWatch } from '../../src/background/certificate.js';
import { openTlsFiles } from '../../src/drivers/tls-files.js';
import { type Authority, createAuthority, renew } from '../support/certificates.js';
import { createFakeNode, type FakeNode } from '../support/fake-node.js';

let authority: Authority;
let files: ReturnType<Authority['files']>;
let now = Date.now;
beforeEach(async () => {
  now = Date.now;
  authority = await createAuthority();
  files = authority.files('vcl2');
});
afterEach(() => authority.remove());

const failure = (): Promise<{ message: string; remedy: string }> =>
  openTlsFiles(files, now).then(
    () => ({ message: 'usable', remedy: '' }),
    (error) => error,
  );

test('what the manual’s commands make can be used for a year', async () => {
  const { current } = await openTlsFiles(files, now);
  expect(current.certificate).toContain('BEGIN CERTIFICATE');
  expect((current.expiresAt - Date.now()) / 86_400_000).toBeCloseTo(365, 0);
});

test.each(['cert', 'key', 'ca'] as const)('a missing file (%s) is named', async (which) => {
  await rm(files[which]);
  expect(await failure()).toMatchObject({
    code: 'certificate-unusable',
    message: expect.stringMatching(`^TLS_${which.toUpperCase()} cannot be read: ENOENT`),
    remedy: `ls -l ${files[which]}`,
  });
});

test.each([
  ['cert', 'openssl x509 -in'],
  ['key', 'openssl pkey -in'],
  ['ca', 'openssl x509 -in'],
] as const)(
  'a file that is no PEM (%s) is named, with the command to look',
  async (which, command) => {
    await writeFile(files[which], 'hello');
    const { message, remedy } = await failure();
    expect(message).toMatch(new RegExp(`^TLS_${which.toUpperCase()} holds no`));
    expect(remedy).toContain(`${command} ${files[which]}`);
  },
);

test('a key of another certificate is refused, and never shown', async () => {
  await copyFile(authority.files('vcl3').key, files.key);
  const { message, remedy } = await failure();
  expect(message).toMatch(/^TLS_KEY does not belong to TLS_CERT/);
  expect(remedy).toContain('-pubout');
  expect(message + remedy).not.toContain('PRIVATE');
});

let elapsed = 0;

/** What a person reads, through the watch that the agent runs. */
const watched = async () => {
  const credentials = await openTlsFiles(files, () => now());
  const fake: FakeNode = await createFakeNode('standby');
  fake.node.clock.now = () => now();
  fake.node.clock.elapsed = () => elapsed;
  fake.node.credentials = credentials;
  const refresh = createCertificateWatch(fake.node);
  const tell = createAlarms(fake.node);
  const watch = async () => {
    await refresh();
    await tell();
  };
  return { fake, credentials, watch };
};

test('new files are taken up; files that do not fit leave the old ones in use and are told of once', async () => {
  const { fake, credentials, watch } = await watched();
  const changes: string[] = [];
  credentials.onChange(({ certificate }) => changes.push(certificate));
  const first = credentials.current;
  await watch();
  expect(changes).toEqual([]);

  await copyFile(authority.files('vcl3').cert, files.cert);
  for (let round = 0; round < 4; round += 1) {
    await watch();
    elapsed += 5_000;
  }
  expect(credentials.current).toBe(first);
  expect(changes).toEqual([]);
  expect(fake.node.local.certificateError?.message).toMatch(/^TLS_KEY does not belong/);
  expect(fake.announced).toEqual([
    expect.objectContaining({
      event: 'certificate-unusable',
      message: expect.stringContaining('goes on with the old certificate: TLS_KEY'),
      remedy: expect.stringContaining('openssl x509'),
    }),
  ]);

  await copyFile(authority.files('vcl3').key, files.key);
  await watch();
  expect(changes).toEqual([credentials.current.certificate]);
  expect(credentials.current).not.toBe(first);
  expect(fake.node.local.certificateError).toBeNull();
  await fake.remove();
});

test('a new certificate that has expired already is not taken up', async () => {
  const { fake, credentials, watch } = await watched();
  const first = credentials.current;
  await renew(files, 30);
  now = () => Date.now() + 31 * 86_400_000;
  await watch();
  expect(credentials.current).toBe(first);
  expect(fake.node.local.certificateError?.message).toMatch(/^the new TLS_CERT expired at /);
  await fake.remove();
});

test('a certificate that ends within two weeks is told of once, until there is a new one', async () => {
  await renew(files, 13);
  const { fake, watch } = await watched();
  await watch();
  await watch();
  expect(fake.announced).toEqual([
    expect.objectContaining({
      event: 'certificate-expiring',
      message: expect.stringMatching(
        /^vcl3 has a certificate that ends within 14 days, or has ended: 20/,
      ),
    }),
  ]);
  await renew(files, 15);
  await watch();
  await watch();
  expect(fake.announced.slice(1)).toEqual([
    expect.objectContaining({ event: 'certificate-expiring', over: true }),
  ]);
  await fake.remove();
});

test('an agent starts with a certificate that has expired, and says so', async () => {
  now = () => Date.now() + 366 * 86_400_000;
  const { fake, watch } = await watched();
  await watch();
  expect(fake.announced).toContainEqual(
    expect.objectContaining({ message: expect.stringContaining('or has ended: 20') }),
  );
  await fake.remove();
});
