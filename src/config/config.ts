import { isAbsolute, join, resolve } from 'node:path';
import { validate as isCron } from 'node-cron';
import { z } from 'zod';
import { parseDuration } from '../domain/format.js';
import { parseNotifyUrl } from '../domain/notify-url.js';

/** Beyond 24.8 days a timer of Node's ends at once. */
const LONGEST = '24d';

/** A length of time in milliseconds. Where 0 makes sense it means "off" or "at once". */
const duration = (least: string, most = LONGEST) =>
  z.string().transform((text, context) => {
    const ms = parseDuration(text);
    if (ms !== undefined && ms >= lengthOf(least) && ms <= lengthOf(most)) return ms;
    context.addIssue({
      code: 'custom',
      message: `must be a length of time from ${least} to ${most}, such as 500ms, 5s, 30m or 2h`,
    });
    return z.NEVER;
  });

const lengthOf = (text: string): number => parseDuration(text) ?? Number.NaN;

const wholeNumber = (least: number, most: number) =>
  z
    .string()
    .regex(/^\d+$/, `must be a whole number from ${least} to ${most}`)
    .transform(Number)
    .refine((value) => value >= least && value <= most, `must be from ${least} to ${most}`);

const httpUrl = z.url({
  protocol: /^https?$/,
  error: 'must be a URL such as http://10.0.0.3:8080',
});

const path = z.string().refine(isAbsolute, 'must be an absolute path');

const cron = z.string().refine(isCron, 'must be a cron expression such as */30 * * * *');

const token = z
  .string()
  .min(32, 'must have at least 32 characters; make one with: openssl rand -hex 32')
  .regex(/^[\x21-\x7e]+$/, 'must be printable ASCII without spaces');

/** 24 to 64 bytes, as Standard Webhooks has it. */
const signingSecret = z
  .string()
  .regex(
    /^whsec_[A-Za-z0-9+/]{32,86}={0,2}$/,
    'must be whsec_ and 24 to 64 bytes in base64; make one with: echo "whsec_$(openssl rand -base64 32)"',
  );

const notifyUrls = z.string().transform((text, context) =>
  text
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .flatMap((entry, index) => {
      try {
        return [parseNotifyUrl(entry)];
      } catch (error) {
        const message = `entry ${index + 1} ${(error as Error).message}`;
        context.addIssue({ code: 'custom', message });
        return [];
      }
    }),
);

const nameList = z.string().transform((text) =>
  text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== ''),
);

/** What compose takes as a service's name; it is never mistaken for an option. */
const serviceName = /^[A-Za-z0-9_][\w.-]*$/;

const services = z.string().transform((text, context) => {
  const names = text.split(/\s+/).filter((name) => name !== '');
  if (names.length === 0 || !names.every((name) => serviceName.test(name)))
    context.addIssue({ code: 'custom', message: 'must be names of services, such as app' });
  return names;
});

/** Half the interval, so that the time-out of the last check is not what a takeover waits for. */
const defaultCheckTimeout = (checkInterval: number): number =>
  Math.min(3_000, Math.max(500, checkInterval / 2));

/** Every variable that the agent reads. `.env.example` documents each; a test holds the two together. */
export const environmentSchema = z.object({
  NODE_NAME: z
    .string()
    .regex(/^[\w.-]{1,63}$/, 'must be letters, digits, dot, dash or underscore, such as vcl3'),
  HOST: z.string().min(1).default('0.0.0.0'),
  PORT: wholeNumber(0, 65_535).default(8080),
  INITIAL_ROLE: z.enum(['primary', 'standby']),
  PEER_URL: httpUrl,
  STATE_DIR: path.default('/var/lib/coldspare'),
  BACKUP_DIR: path.optional(),
  BACKUP_CRON: cron.default('*/30 * * * *'),
  BACKUP_KEEP: wholeNumber(1, 1000).default(5),
  BACKUP_MAX_AGE: duration('1s', '3650d').prefault('2h'),
  BACKUP_MAX_BYTES: wholeNumber(1, Number.MAX_SAFE_INTEGER).default(1024 ** 4),
  BACKUP_PREFIX: z
    .string()
    .regex(/^[A-Za-z0-9][\w-]{0,99}$/, 'must be letters, digits, dash or underscore')
    .optional(),
  STACK: z.enum(['compose', 'host', 'embedded']).default('compose'),
  COMPOSE_PROJECT_DIR: z
    .string()
    .min(1)
    .default('.')
    .transform((path) => resolve(path)),
  COMPOSE_COMMAND: z.string().min(1).default('docker compose'),
  DB_SERVICE: z.string().regex(serviceName, 'must be the name of a service').default('db'),
  APP_SERVICE: services.prefault('app'),
  DB_START_COMMAND: z.string().min(1).optional(),
  DB_STOP_COMMAND: z.string().min(1).optional(),
  DB_START_TIMEOUT: duration('1s').prefault('1m'),
  TRANSFER_TIMEOUT: duration('1s').prefault('4h'),
  APP_START_COMMAND: z.string().min(1).optional(),
  APP_STOP_COMMAND: z.string().min(1).optional(),
  APP_START_TIMEOUT: duration('1s').prefault('2m'),
  APP_RESTART_AFTER: duration('100ms').prefault('1m'),
  EMBEDDED_APP: path.optional(),
  DB_HOST: z.string().min(1).default('127.0.0.1'),
  DB_PORT: wholeNumber(1, 65_535).default(5432),
  DB_USER: z.string().min(1).default('postgres'),
  DB_NAME: z.string().min(1).max(63, "must be at most 63 characters, PostgreSQL's limit"),
  DB_PASSWORD: z.string().optional(),
  PG_BIN: path.optional(),
  APP_HEALTH_URL: httpUrl,
  PRIMARY_CHECK_URL: httpUrl.optional(),
  WITNESS_URL: httpUrl.optional(),
  MONITOR: z.enum(['on', 'off']).default('on'),
  CHECK_INTERVAL: duration('100ms').prefault('5s'),
  CHECK_TIMEOUT: duration('100ms').optional(),
  FAIL_THRESHOLD: wholeNumber(1, 1000).default(3),
  CONFIRM_CHECKS: wholeNumber(1, 100).default(3),
  CONFIRM_INTERVAL: duration('100ms').prefault('2s'),
  FAILBACK: z.enum(['auto', 'manual']).default('auto'),
  FAILBACK_STABLE: duration('0').prefault('1m'),
  PREPARE: z.enum(['on-receive', 'on-promote']).default('on-receive'),
  DRILL_CRON: cron.optional(),
  DRILL_QUERY: z.string().min(1).optional(),
  RESCUE_TIMEOUT: duration('0').prefault('2m'),
  ALONE: z.enum(['serve', 'wait']).default('serve'),
  ALONE_GRACE: duration('0').prefault('30s'),
  WATCHDOG_TIMEOUT: duration('0').prefault('0'),
  PEER_TOKEN: token,
  ADMIN_TOKEN: token,
  WEBHOOK_TOKEN: token,
  WEBHOOK_MONITORS: nameList.prefault(''),
  WEBHOOK_SIGNING_SECRET: signingSecret.optional(),
  PEER_SSH: z
    .string()
    .regex(/^[^@\s]+@[^@\s:]+(:\d+)?$/, 'must be user@host or user@host:port')
    .optional(),
  PEER_SSH_KEY: path.optional(),
  PEER_SSH_HOST_KEY: z
    .string()
    .regex(
      /^SHA256:[A-Za-z0-9+/]{43}$/,
      'must be a pinned fingerprint, SHA256:… as ssh-keygen -lf shows it',
    )
    .optional(),
  PEER_APP_STOP_COMMAND: z.string().min(1).optional(),
  PEER_DB_START_COMMAND: z.string().min(1).optional(),
  PEER_DB_STOP_COMMAND: z.string().min(1).optional(),
  PEER_DB_PORT: wholeNumber(1, 65_535).optional(),
  PEER_COMPOSE_PROJECT_DIR: path.optional(),
  NOTIFY_URLS: notifyUrls.prefault(''),
  TLS_CERT: path.optional(),
  TLS_KEY: path.optional(),
  TLS_CA: path.optional(),
  LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
});

/** Variables whose values are never shown. */
export const SECRETS: readonly string[] = [
  'PEER_TOKEN',
  'ADMIN_TOKEN',
  'WEBHOOK_TOKEN',
  'WEBHOOK_SIGNING_SECRET',
  'DB_PASSWORD',
  'NOTIFY_URLS',
];

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
