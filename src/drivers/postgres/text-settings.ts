import { ColdspareError } from '../../domain/errors.js';
import type { Manifest } from '../../domain/manifest.js';
import type { PsqlSession } from './psql-session.js';
import { literal } from './sql.js';

/** What decides how a server reads a text, in rows and in the expressions of CHECK constraints and generated columns. */
const ALWAYS = [
  'array_nulls',
  'DateStyle',
  'default_text_search_config',
  'IntervalStyle',
  'lc_numeric',
  'lc_time',
  'TimeZone',
  'transform_null_equals',
];

/** Decides where the decimal point of `money` is. Another one multiplies amounts by a hundred. */
const MONETARY = 'lc_monetary';

/** Types that hold `money`: itself, arrays, domains, ranges and columns of it. */
const HOLDS_MONEY = `
  EXISTS (SELECT FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
          WHERE a.atttypid IN ('money'::regtype, 'money[]'::regtype) AND c.relkind IN ('r', 'p', 'm', 'c')
            AND NOT a.attisdropped)
  OR EXISTS (SELECT FROM pg_catalog.pg_type WHERE typbasetype IN ('money'::regtype, 'money[]'::regtype))
  OR EXISTS (SELECT FROM pg_catalog.pg_range WHERE rngsubtype = 'money'::regtype)`;

/** Those of the session. A database without `money` does not ask for the locale of its server. */
export const readTextSettings = async (session: PsqlSession): Promise<Record<string, string>> => {
  const found = await session.select<{ name: string; value: string }>(
    `SELECT s.name, current_setting(s.name) AS value FROM pg_settings s
     WHERE s.name IN (${ALWAYS.map(literal).join(', ')}) OR s.name = ${literal(MONETARY)} AND (${HOLDS_MONEY})`,
  );
  return Object.fromEntries(found.map(({ name, value }) => [name, value]));
};

/**
 * Those of the dump, as `name=value`, as far as this server knows them.
 * @throws ColdspareError `database-failed` when it cannot read money as the other one wrote it
 */
export const usableTextSettings = async (
  session: PsqlSession,
  { id, surroundings }: Manifest,
): Promise<string[]> => {
  const usable: string[] = [];
  const settings = surroundings?.textSettings ?? {};
  for (const name of [...ALWAYS, MONETARY].filter((known) => known in settings)) {
    const value = settings[name] ?? '';
    try {
      await session.run(`SELECT set_config(${literal(name)}, ${literal(value)}, false)`);
      usable.push(`${name}=${value}`);
    } catch (cause) {
      if (name === MONETARY) throw unknownLocale(id, value, cause);
    }
  }
  return usable;
};

const unknownLocale = (id: string, locale: string, cause: unknown): ColdspareError =>
  new ColdspareError(
    'database-failed',
    `${id} holds amounts of money in the locale ${locale} (lc_monetary), which this server does not have: it would read other amounts`,
    `install the locale ${locale} on this machine ("locale -a" lists those that are installed), then restart PostgreSQL`,
    { cause, value: locale },
  );
