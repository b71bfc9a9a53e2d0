import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { meantVariable } from '../../src/config/misspelled.js';
import { environmentSchema, SECRETS } from '../../src/config/variables.js';
import { Stop } from './stop.js';

/** What the deploy decides itself, so that the two nodes cannot disagree. */
const DERIVED = ['NODE_NAME', 'INITIAL_ROLE'];

const homePath = z
  .string()
  .transform((path) => path.replace(/^~(?=\/)/, homedir()))
  .refine(isAbsolute, 'must be an absolute path, or begin with ~/');

const directory = z
  .string()
  .regex(/^\/[\w./-]*$/, 'must be an absolute path of letters, digits, dot, dash and underscore');

/** The agent's variables as `.env.example` documents them. YAML reads 8080 as a number. */
const environment = z
  .record(z.string(), z.union([z.string(), z.number(), z.boolean()]).transform(String))
  .superRefine((variables, context) => {
    for (const [name, value] of Object.entries(variables)) {
      const wrong = whyNot(name, value);
      if (wrong !== undefined)
        context.addIssue({ code: 'custom', path: [name], message: wrong, input: name });
    }
  })
  .default({});

const whyNot = (name: string, value: string): string | undefined => {
  if (!(name in environmentSchema.shape)) {
    const meant = meantVariable(name);
    return `there is no such variable${meant ? `; did you mean ${meant}?` : ', see .env.example'}`;
  }
  if (SECRETS.includes(name)) return 'is a secret: it belongs in the .secrets file beside this one';
  if (DERIVED.includes(name)) return 'is set by the deploy itself';
  if (/[\n\0]/.test(value)) return 'must be one line';
  return undefined;
};

const serverSchema = z.strictObject({
  /** As SSH reaches it. */
  host: z.string().regex(/^[\w.:-]+$/, 'must be a host name or an IP address'),
  port: z.int().min(1).max(65_535).default(22),
  /** root, or somebody who may use sudo without a password. */
  user: z.string().regex(/^[\w.-]+$/, 'must be a user name'),
  key: homePath,
  host_key: z
    .string()
    .regex(/^SHA256:[A-Za-z0-9+/]{43}$/, 'must be a fingerprint, SHA256:… as ssh-keygen -lf shows')
    .optional(),
  /** As the other server reaches it; default: `host`. */
  address: z.string().min(1).optional(),
  /** Everything is installed below this directory. */
  root: directory.default('/'),
  environment,
});

const inventorySchema = z.strictObject({
  /** The first one is the primary at first. */
  servers: z
    .record(
      z.string().regex(/^[\w.-]{1,63}$/, 'a name is letters, digits, dot, dash or underscore'),
      serverSchema,
    )
    .refine(
      (servers) => Object.keys(servers).length === 2,
      'must be two: the primary, then the standby',
    ),
  /** Whom the agent runs as; made when there is no such user. */
  run_as: z
    .string()
    .regex(/^[a-z_][a-z0-9_-]{0,31}$/, 'must be a user name')
    .default('coldspare'),
  /** Directories that the agent, and what it starts, may write besides its own. */
  writable: z.array(directory).default([]),
  environment,
});

export type ServerSettings = z.output<typeof serverSchema> & { name: string; address: string };
export interface Inventory {
  file: string;
  /** The primary at first, then the standby. */
  servers: [ServerSettings, ServerSettings];
  runAs: string;
  writable: string[];
  environment: Record<string, string>;
}

/** @throws Stop naming every bad or missing key */
export const loadInventory = async (file: string): Promise<Inventory> => {
  const text = await readFile(file, 'utf8').catch((cause) => {
    throw new Stop(
      `the inventory ${file} cannot be read: ${cause.message}`,
      'copy scripts/deploy-pair/inventory.example.yml to inventory.yml and fill it in, or name yours: ./scripts/deploy FILE',
      { cause },
    );
  });
  return parseInventory(file, text);
};

export const parseInventory = (file: string, text: string): Inventory => {
  const parsed = inventorySchema.safeParse(readYaml(file, text));
  if (!parsed.success) {
    const lines = parsed.error.issues.map(
      ({ path, message }) => `${path.join('.') || 'it'}: ${message}`,
    );
    throw new Stop(
      `the inventory ${file} is not usable:\n  ${lines.join('\n  ')}`,
      'scripts/deploy-pair/inventory.example.yml shows every key',
    );
  }
  const { servers, run_as: runAs, writable, environment } = parsed.data;
  const [first, second] = Object.entries(servers).map(([name, server]) => ({
    ...server,
    name,
    address: server.address ?? server.host,
  }));
  if (first === undefined || second === undefined) throw new Error('the schema wants two servers');
  return { file, servers: [first, second], runAs, writable, environment };
};

const readYaml = (file: string, text: string): unknown => {
  try {
    return parseYaml(text);
  } catch (cause) {
    throw new Stop(
      `the inventory ${file} is not YAML: ${cause instanceof Error ? cause.message : cause}`,
      'scripts/deploy-pair/inventory.example.yml shows every key',
      { cause },
    );
  }
};

/** Where things are on a server. */
export const layoutOf = ({ root }: Pick<ServerSettings, 'root'>) => {
  const home = join(root, 'opt/coldspare');
  return {
    root,
    home,
    releases: join(home, 'releases'),
    /** Each: a link `release`, `coldspare.env` and `coldspare.service`. */
    deployments: join(home, 'deployments'),
    /** Link to the deployment in use. */
    current: join(home, 'current'),
    /** Link to the last one that was proven to work, and to the one that was so before. */
    proven: join(home, 'proven'),
    previous: join(home, 'previous'),
    unit: join(root, 'etc/systemd/system', `${SERVICE}.service`),
    state: join(root, 'var/lib/coldspare'),
    /** `coldspare` on the command line. */
    command: join(root, 'usr/local/bin/coldspare'),
  };
};
export type Layout = ReturnType<typeof layoutOf>;

export const SERVICE = 'coldspare';
