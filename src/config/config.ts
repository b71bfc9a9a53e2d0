import { join } from 'node:path';
import type { z } from 'zod';
import { environmentSchema, SECRETS } from './variables.js';

/** Half the interval, so that the time-out of the last check is not what a takeover waits for. */
const defaultCheckTimeout = (checkInterval: number): number =>
  Math.min(3_000, Math.max(500, checkInterval / 2));

const configSchema = environmentSchema
  .superRefine((env, context) => {
    const tokens = [env.PEER_TOKEN, env.ADMIN_TOKEN, env.WEBHOOK_TOKEN];
    const need = (name: keyof typeof env, why: string) => {
      if (env[name] === undefined)
        context.addIssue({ code: 'custom', path: [name], message: `is required ${why}` });
    };
    if (new Set(tokens).size < tokens.length) {
      context.addIssue({
        code: 'custom',
        path: ['ADMIN_TOKEN'],
        message: 'must differ from PEER_TOKEN and WEBHOOK_TOKEN: three doors, three keys',
      });
    }
    if (env.TLS_CERT !== undefined) need('TLS_KEY', 'with TLS_CERT');
    if (env.TLS_KEY !== undefined || env.TLS_CA !== undefined)
      need('TLS_CERT', 'with TLS_KEY and TLS_CA');
    if (env.TLS_CA !== undefined && !env.PEER_URL.startsWith('https:')) {
      context.addIssue({
        code: 'custom',
        path: ['PEER_URL'],
        message: 'must begin with https:// when TLS_CA is set: the peer shows its certificate',
      });
    }
    if (env.STACK === 'host') {
      need('APP_START_COMMAND', 'with STACK=host');
      need('APP_STOP_COMMAND', 'with STACK=host');
    }
    if (env.REPLICATION === 'stream') {
      const why = 'with REPLICATION=stream: the agent stops the database for a handover';
      if (env.STACK === 'embedded')
        context.addIssue({
          code: 'custom',
          path: ['REPLICATION'],
          message: 'stream works with STACK=compose and STACK=host; with STACK=embedded use dump',
        });
      if (env.STACK === 'host') {
        need('DB_START_COMMAND', why);
        need('DB_STOP_COMMAND', why);
      }
    }
    if (env.PEER_SSH !== undefined) {
      need('PEER_SSH_KEY', 'with PEER_SSH');
      need('PEER_SSH_HOST_KEY', 'with PEER_SSH: host keys are never trusted blindly');
      if (env.STACK === 'embedded')
        context.addIssue({
          code: 'custom',
          path: ['PEER_SSH'],
          message:
            'works with STACK=compose and STACK=host: embedded has no commands to run over there',
        });
    }
  })
  .transform((env) => ({
    ...env,
    BACKUP_DIR: env.BACKUP_DIR ?? join(env.STATE_DIR, 'backups'),
    REPLICATION_SOCKET_DIR: env.REPLICATION_SOCKET_DIR ?? join(env.STATE_DIR, 'replication'),
    CHECK_TIMEOUT: env.CHECK_TIMEOUT ?? defaultCheckTimeout(env.CHECK_INTERVAL),
    BACKUP_PREFIX:
      env.BACKUP_PREFIX ?? env.DB_NAME.replace(/[^\w-]/g, '_').replace(/^[^A-Za-z0-9]/, 'x'),
  }));
export type Config = z.output<typeof configSchema>;

/** What is wrong with the environment: one line a variable, with its value (unless secret) and what is accepted. */
export class ConfigError extends Error {}

/**
 * The validated configuration. An empty variable counts as absent, as in a `.env` line without a value.
 * @throws ConfigError naming every bad or missing variable
 */
export const loadConfig = (environment: Record<string, string | undefined>): Config => {
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  const parsed = configSchema.safeParse(given);
  if (parsed.success) return parsed.data;
  const lines = parsed.error.issues.map((issue) => {
    const name = issue.path.join('.');
    const value = given[name];
    if (value === undefined)
      return `${name} ${issue.code === 'custom' ? issue.message : 'is required'}`;
    return `${name}=${SECRETS.includes(name) ? '(secret)' : JSON.stringify(value)}: ${issue.message}`;
  });
  throw new ConfigError(
    `the configuration is not usable:\n  ${lines.join('\n  ')}\n.env.example documents every variable`,
  );
};
