import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The commands of the manual that make an authority and a certificate for each node, word for word. */
const [COMMANDS = 'exit 1'] =
  /(?<=```sh\n)openssl req -x509[\s\S]*?(?=```)/.exec(
    readFileSync('wrangler-free-readme.md', 'utf8'),
  ) ?? [];

export interface Authority {
  /** Paths: the node's certificate, its key, and the authority's certificate. */
  files(node: 'vcl2' | 'vcl3'): { cert: string; key: string; ca: string };
  remove(): Promise<void>;
}

/** An authority of the test's own, with a certificate for each node. `names` are its subjectAltName. */
export const createAuthority = async (names = 'IP:127.0.0.1'): Promise<Authority> => {
  const directory = await mkdtemp(join(tmpdir(), 'authority-'));
  const env = { PATH: process.env.PATH ?? '', SAN2: names, SAN3: names };
  await run('sh', ['-euc', COMMANDS], { cwd: directory, env });
  return {
    files: (node) => ({
      cert: join(directory, `${node}.crt`),
      key: join(directory, `${node}.key`),
      ca: join(directory, 'ca.crt'),
    }),
    remove: () => rm(directory, { recursive: true, force: true }),
  };
};

/** The settings of an agent that shows this certificate and trusts this authority. */
export const environmentOf = ({ cert, key, ca }: ReturnType<Authority['files']>) => ({
  TLS_CERT: cert,
  TLS_KEY: key,
  TLS_CA: ca,
});

/** Replaces the node's certificate by one of the same authority that expires in `days` days. */
export const renew = async (
  { cert, key, ca }: ReturnType<Authority['files']>,
  days: number,
): Promise<void> => {
  const by = ['-x509', '-CA', ca, '-CAkey', ca.replace(/crt$/, 'key'), '-days', String(days)];
  const fresh = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc'];
  const names = ['-subj', '/CN=renewed', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const leaf = ['-addext', 'basicConstraints=critical,CA:FALSE'];
  const out = ['-keyout', `${key}.new`, '-out', `${cert}.new`];
  await run('openssl', ['req', ...by, ...fresh, ...names, ...leaf, ...out]);
  await copyFile(`${cert}.new`, cert);
  await copyFile(`${key}.new`, key);
};
