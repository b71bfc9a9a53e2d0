import { afterAll, beforeAll, expect, test } from 'vitest';
import { AgentClient } from '../../src/cli/agent-client.js';
import { readSettings } from '../../src/cli/settings.js';
import { healthSchema } from '../../src/domain/answers.js';
import { openTlsFiles } from '../../src/drivers/tls-files.js';
import { type Authority, createAuthority } from '../support/certificates.js';
import { type Service, startService, TOKENS } from '../support/http.js';

let ours: Authority;
let theirs: Authority;
let service: Service;
beforeAll(async () => {
  [ours, theirs] = await Promise.all([createAuthority(), createAuthority()]);
  const credentials = await openTlsFiles(ours.files('vcl2'), Date.now);
  service = await startService('standby', { credentials });
});
afterAll(async () => {
  await service.close();
  await Promise.all([ours.remove(), theirs.remove()]);
});

/** What `coldspare` gets with that certificate in the `.env`. */
const askWith = async (variables: Record<string, string>, options = {}) => {
  const settings = readSettings(options, {
    ADMIN_TOKEN: TOKENS.admin,
    PORT: new URL(service.url).port,
    ...variables,
  });
  return (await new AgentClient(settings.url, settings).get('/health', healthSchema)).body.node;
};

test("this node's agent is known by its own certificate", async () => {
  expect(await askWith({ TLS_CERT: ours.files('vcl2').cert })).toBe('vcl3');
});

test.each([
  ['of another authority', () => theirs.files('vcl2')],
  ['of the other node', () => ours.files('vcl3')],
])('a certificate %s in its place is refused before the key is sent', async (_what, files) => {
  const { cert, ca } = files();
  await expect(askWith({ TLS_CERT: cert, TLS_CA: ca })).rejects.toMatchObject({ exit: 4 });
});

test('any other agent is known by its authority', async () => {
  const url = service.url.replace('127.0.0.1', 'localhost');
  const { cert, ca } = ours.files('vcl3');
  expect(await askWith({ TLS_CERT: cert, TLS_CA: ca }, { url })).toBe('vcl3');
  const foreign = askWith({ TLS_CERT: cert, TLS_CA: theirs.files('vcl2').ca }, { url });
  await expect(foreign).rejects.toMatchObject({ exit: 4 });
});

test('a certificate that is not there is named', async () => {
  await expect(askWith({ TLS_CERT: '/nowhere/node.crt' })).rejects.toMatchObject({
    exit: 2,
    message: '/nowhere/node.crt cannot be read (ENOENT)',
  });
});
