import { randomBytes } from 'node:crypto';
import { readFile, rename, stat, writeFile } from 'node:fs/promises';
import { SECRETS } from '../../src/config/variables.js';
import { formatEnvironment, parseEnvironment, type Variables } from './node-environment.js';
import type { Server } from './server.js';
import { Stop } from './stop.js';

const KEYS = ['PEER_TOKEN', 'ADMIN_TOKEN', 'WEBHOOK_TOKEN'];
/** Characters that a shell, systemd, curl and the settings of a webhook all take without quoting. */
const PLAIN = /^[\w.~-]+$/;

/** inventory.yml → inventory.secrets */
export const secretsFileOf = (inventoryFile: string): string =>
  `${inventoryFile.replace(/\.(ya?ml|json)$/, '')}.secrets`;

export interface Secrets {
  variables: Variables;
  /** What has to be written to the file, in words; undefined when the file is up to date. */
  change: string | undefined;
}

/**
 * The secrets of a pair: from the file, else from the servers, else new ones.
 * @throws Stop when others may read the file, or when it holds a variable that is not a secret
 */
export const loadSecrets = async (
  file: string,
  servers: readonly Server[],
  { rotate }: { rotate: boolean },
): Promise<Secrets> => {
  const kept = await readSecrets(file);
  const found = kept ?? (await adoptSecrets(file, servers));
  const missing = KEYS.filter((name) => rotate || found[name] === undefined);
  const fresh = Object.fromEntries(missing.map((name) => [name, randomBytes(32).toString('hex')]));
  const variables = { ...found, ...fresh };
  if (missing.length > 0)
    return { variables, change: `write new ${missing.join(', ')} to ${file}` };
  const change = kept === undefined ? `write the keys of the servers to ${file}` : undefined;
  return { variables, change };
};

/** Replaces the file atomically, with mode 600. */
export const writeSecrets = async (file: string, variables: Variables): Promise<void> => {
  await writeFile(`${file}.new`, formatEnvironment(variables), { mode: 0o600 });
  await rename(`${file}.new`, file);
};

/** The variables of the file; undefined when it does not exist. @throws Stop as `loadSecrets` */
const readSecrets = async (file: string): Promise<Variables | undefined> => {
  const about = await stat(file).catch(() => undefined);
  if (about === undefined) return undefined;
  if ((about.mode & 0o077) !== 0) {
    throw new Stop(`${file} holds keys, and others may read it`, `chmod 600 ${file}`);
  }
  const text = await readFile(file, 'utf8');
  const variables = parseEnvironment(text);
  const unread = text.split('\n').findIndex((line) => !/^(#.*|\s*|\w+=".*")$/.test(line));
  if (unread >= 0) {
    throw new Stop(
      `${file}: line ${unread + 1} is not NAME="value"`,
      'put the value between quotes, with \\ before ", \\, $ and `',
    );
  }
  const strange = Object.keys(variables).find((name) => !SECRETS.includes(name));
  if (strange !== undefined) {
    throw new Stop(
      `${file}: ${strange} is no secret`,
      `move it to "environment" of the inventory; here belong ${SECRETS.join(', ')}, each as NAME="value"`,
    );
  }
  const odd = KEYS.find((name) => !PLAIN.test(variables[name] ?? 'x'));
  if (odd === undefined) return variables;
  throw new Stop(
    `${file}: ${odd} has characters that not every program takes`,
    'use openssl rand -hex 32',
  );
};

/** For a pair that was deployed from another machine, or a lost file: with new keys every webhook would be refused. */
const adoptSecrets = async (file: string, servers: readonly Server[]): Promise<Variables> => {
  const found: Variables = {};
  for (const { name, text } of await readDeployed(servers)) {
    for (const [key, value] of Object.entries(parseEnvironment(text))) {
      if (!SECRETS.includes(key)) continue;
      if ((found[key] ?? value) !== value) {
        throw new Stop(
          `there is no ${file}, and the servers have different values of ${key} (seen at ${name})`,
          `bring the file back from where the pair was deployed, or make new keys: ./scripts/deploy --rotate-keys`,
        );
      }
      found[key] = value;
    }
  }
  return found;
};

const readDeployed = (servers: readonly Server[]) =>
  Promise.all(
    servers.map(async (server) => ({
      name: server.name,
      text: (await server.read(`${server.layout.current}/coldspare.env`)) ?? '',
    })),
  );
