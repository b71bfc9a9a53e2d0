import { type Config, ConfigError, loadConfig } from '../../src/config/config.js';
import { environmentSchema, SECRETS } from '../../src/config/variables.js';
import { type Inventory, layoutOf, type ServerSettings } from './inventory.js';
import { Stop } from './stop.js';

export type Variables = Record<string, string>;

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/**
 * The variables of one node: those of the inventory, the secrets, and those that are derived from the other server.
 * @throws Stop when the agent would not start with them
 */
export const environmentOf = (
  inventory: Inventory,
  server: ServerSettings,
  secrets: Variables,
): { variables: Variables; config: Config } => {
  const [first, second] = inventory.servers;
  const peer = server === first ? second : first;
  const own = given(inventory, server);
  const peers = given(inventory, peer);
  const variables = {
    NODE_NAME: server.name,
    INITIAL_ROLE: server === first ? 'primary' : 'standby',
    PEER_URL: `${peers.TLS_CERT === undefined ? 'http' : 'https'}://${inUrl(peer.address)}:${peers.PORT ?? environmentSchema.shape.PORT.def.defaultValue}`,
    ...appOfPeer(peers.APP_HEALTH_URL, peer.address),
    STATE_DIR: layoutOf(server).state,
    ...own,
    ...secrets,
  };
  try {
    const config = loadConfig(variables);
    assertPlainPaths(config);
    if (config.STACK === 'embedded')
      throw new ConfigError('STACK=embedded: only the demo has it; servers have compose or host');
    return { variables, config };
  } catch (cause) {
    throw new Stop(
      `${server.name}: ${cause instanceof Error ? cause.message : cause}`,
      `put it right under "environment" in ${inventory.file}`,
      { cause },
    );
  }
};

/** Blanks and percent signs mean something else in a unit file. */
const PLAIN_PATH = /^\/[\w./-]*$/;

const assertPlainPaths = ({ STACK, STATE_DIR, BACKUP_DIR, COMPOSE_PROJECT_DIR }: Config): void => {
  const paths = { STATE_DIR, BACKUP_DIR, ...(STACK === 'compose' && { COMPOSE_PROJECT_DIR }) };
  for (const [name, path] of Object.entries(paths)) {
    if (PLAIN_PATH.test(path)) continue;
    throw new ConfigError(
      `${name}=${JSON.stringify(path)}: must be an absolute path of letters, digits, dot, dash and underscore`,
    );
  }
};

const given = (inventory: Inventory, server: ServerSettings): Variables => ({
  ...inventory.environment,
  ...server.environment,
});

/** The other node's app as this node reaches it: 127.0.0.1 there is that server's address here. */
const appOfPeer = (url: string | undefined, address: string): Variables => {
  if (url === undefined || !URL.canParse(url)) return {};
  const app = new URL(url);
  if (LOOPBACK.test(app.hostname)) app.hostname = inUrl(address);
  return { PRIMARY_CHECK_URL: app.href };
};

const inUrl = (address: string): string => (address.includes(':') ? `[${address}]` : address);

/** In the form that both systemd (EnvironmentFile) and a shell read: NAME="value" in each line. */
export const formatEnvironment = (variables: Variables): string =>
  Object.entries(variables)
    .map(([name, value]) => `${name}="${value.replace(/["\\$`]/g, '\\$&')}"\n`)
    .join('');

/** The inverse of `formatEnvironment`. */
export const parseEnvironment = (text: string): Variables =>
  Object.fromEntries(
    [...text.matchAll(/^(\w+)="(.*)"$/gm)].map(([, name = '', value = '']) => [
      name,
      value.replace(/\\(["\\$`])/g, '$1'),
    ]),
  );

/** The differences in words, without the values of secrets. */
export const formatDifference = (before: Variables, after: Variables): string[] => {
  const say = (name: string, value: string | undefined) => {
    if (value === undefined) return '(unset)';
    return SECRETS.includes(name) ? '(secret)' : value;
  };
  return [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .filter((name) => before[name] !== after[name])
    .map((name) => {
      if (SECRETS.includes(name) && name in before && name in after) return `${name}: a new secret`;
      return `${name}: ${say(name, before[name])} → ${say(name, after[name])}`;
    });
};
