import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/config.js';
import {
  divergedName,
  drillName,
  incomingName,
  replacedCopies,
  replacedName,
} from '../../src/domain/database-names.js';
import { QUIET } from '../support/pair.js';

/** 25 letters, 50 bytes. */
const CYRILLIC = 'магазинпродукцииматериалы';
const NOON = Date.parse('2026-11-29T12:00:00.000Z');

describe('H59: a name of few letters and many bytes', () => {
  test.each([CYRILLIC, `x${CYRILLIC}`, '☕'.repeat(21), '🫖'.repeat(15), 'long'.repeat(15)])(
    'copies of %s have names that PostgreSQL does not cut',
    (name) => {
      const first = replacedName(name, NOON);
      const second = replacedName(name, NOON, [first]);
      const names = [first, second, divergedName(name, NOON), incomingName(name), drillName(name)];
      for (const each of names) {
        expect(Buffer.byteLength(each)).toBeLessThanOrEqual(63);
        expect(each).not.toContain('\uFFFD');
      }
      expect(new Set(names).size).toBe(names.length);
      expect(replacedCopies(name, names)).toEqual([first, second]);
    },
  );

  test('a name that PostgreSQL itself cuts is refused at the start', () => {
    const env = {
      ...QUIET,
      STACK: 'host',
      NODE_NAME: 'vcl2',
      PORT: '8080',
      INITIAL_ROLE: 'primary',
      PEER_URL: 'http://10.0.0.3:8080',
      STATE_DIR: '/tmp/none',
      APP_START_COMMAND: 'none',
      APP_STOP_COMMAND: 'none',
      APP_HEALTH_URL: 'http://app.invalid/',
      PRIMARY_CHECK_URL: 'http://peer.invalid/',
    };
    expect(loadConfig({ ...env, DB_NAME: CYRILLIC }).DB_NAME).toBe(CYRILLIC);
    expect(() => loadConfig({ ...env, DB_NAME: `${CYRILLIC}иинструмен` })).toThrow(
      /DB_NAME.*at most 63 bytes/s,
    );
  });
});
