import { type Config, loadConfig } from '../../src/config/config.js';
import { DATABASE_NAME } from './database.js';
import type { Focus } from './focus.js';
import type { MachineName } from './machine.js';
import type { Random } from './random.js';

/** How one schedule is set up; drawn from its seed. */
export interface Options {
  configs: Record<MachineName, Config>;
  /** Milliseconds between two ticks of the backup cron. */
  backupInterval: number;
  /** Milliseconds between two ticks of the drill cron. */
  drillInterval: number;
  /** How long faults are injected, in milliseconds. */
  unrest: number;
  /** Milliseconds between two faults, on average. */
  quiet: number;
}

export const drawOptions = (random: Random, { settings }: Focus): Options => {
  const common = {
    ALONE: random.pick(['serve', 'wait']),
    ALONE_GRACE: random.pick(['10s', '30s']),
    FAILBACK: random.chance(0.7) ? 'auto' : 'manual',
    FAILBACK_STABLE: random.pick(['10s', '30s']),
    RESCUE_TIMEOUT: random.chance(0.8) ? '2m' : '0',
    PREPARE: random.chance(0.7) ? 'on-receive' : 'on-promote',
    BACKUP_KEEP: String(random.integer(1, 5)),
    APP_START_TIMEOUT: random.pick(['20s', '2m']),
    ...(random.chance(0.5) && { DRILL_QUERY: 'SELECT count(*) > 0 FROM orders' }),
    ...(random.chance(0.5) && { WITNESS_URL: WITNESS }),
    ...(random.chance(0.85) && { PRIMARY_CHECK_URL: random.chance(0.9) ? PEER_APP : WRONG_APP }),
  };
  const monitor = () => ({ MONITOR: random.chance(0.8) ? 'on' : 'off' });
  return {
    configs: {
      vcl2: configOf('vcl2', { ...common, ...monitor(), ...settings }),
      vcl3: configOf('vcl3', { ...common, ...monitor(), ...settings }),
    },
    backupInterval: random.integer(15, 90) * 1_000,
    drillInterval: random.integer(15, 240) * 1_000,
    unrest: random.integer(40, 180) * 1_000,
    quiet: random.pick([2_000, 5_000, 10_000, 30_000]),
  };
};

export const WITNESS = 'http://outside/';
export const PEER_APP = 'http://peer-app/';
/** A port of the other machine at which nothing listens. */
export const WRONG_APP = 'http://peer-app:1/';
const OWN_APP = 'http://own-app/';

const configOf = (name: MachineName, more: Record<string, string>): Config =>
  loadConfig({
    NODE_NAME: name,
    INITIAL_ROLE: name === 'vcl2' ? 'primary' : 'standby',
    PEER_URL: `http://${name === 'vcl2' ? 'vcl3' : 'vcl2'}:8080`,
    STATE_DIR: `/${name}`,
    STACK: 'embedded',
    DB_NAME: DATABASE_NAME,
    APP_HEALTH_URL: OWN_APP,
    PEER_TOKEN: 'p'.repeat(32),
    ADMIN_TOKEN: 'a'.repeat(32),
    WEBHOOK_TOKEN: 'w'.repeat(32),
    ...more,
  });
