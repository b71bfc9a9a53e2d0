import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { chooseCompression } from '../../src/drivers/postgres/compression.js';
import { localExecutor } from '../../src/drivers/run-command.js';
import { describePostgres } from '../support/postgres.js';

const GZIP = '--compress=1';
const ZSTD = '--compress=zstd:1';

/** What pg_dump says to the question, from its source. */
const WITH_ZSTD = 'pg_dump: error: parallel backup only supported by the directory format';
const WITHOUT_ZSTD =
  'pg_dump: error: invalid compression specification: this build does not support compression with ZSTD';
const PG_15 = 'pg_dump: error: invalid value "zstd:1" for option -Z/--compress';

const askedOf = (serverVersion: string, folder: string | undefined) =>
  chooseCompression({ executor: localExecutor, programs: folder }, serverVersion);

describe('a dump is compressed as pg_dump can', () => {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'coldspare-pg-dump-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  /** A pg_dump that says `words` in English, and nothing that we would understand in the machine's language. */
  const install = async (words: string, status = 1) => {
    const program = join(folder, 'pg_dump');
    await writeFile(
      program,
      `#!/bin/sh\n[ "$*" = '--format=custom ${ZSTD} --jobs=2' ] || exit 2\n` +
        `[ "$LC_ALL" = C ] && echo '${words}' >&2\nexit ${status}\n`,
    );
    await chmod(program, 0o755);
  };

  test.each(['16.0', '16.4 (Debian 16.4-1.pgdg120+2)', '17.6', '18beta1', '19devel'])(
    'PostgreSQL %s: zstd, unless it was built without',
    async (version) => {
      await install(WITH_ZSTD);
      expect(await askedOf(version, folder)).toBe(ZSTD);
      await install(WITHOUT_ZSTD);
      expect(await askedOf(version, folder)).toBe(GZIP);
    },
  );

  test.each(['13.16', '14.13 (Ubuntu 14.13-1.pgdg22.04+1)', '15.14 (Debian 15.14-0+deb12u1)'])(
    'PostgreSQL %s: gzip, whatever its pg_dump makes of the question',
    async (version) => {
      await install(WITH_ZSTD);
      expect(await askedOf(version, folder)).toBe(GZIP);
    },
  );

  test.each([
    ['is older than its server', PG_15, 1],
    ['says something new', 'pg_dump: error: no', 1],
    ['accepts everything', WITH_ZSTD, 0],
  ])('a pg_dump that %s: gzip', async (_what, words, status) => {
    await install(words, status);
    expect(await askedOf('16.4', folder)).toBe(GZIP);
  });

  test('a pg_dump that is missing: gzip, and the dump says what is wrong', async () => {
    expect(await askedOf('16.4', folder)).toBe(GZIP);
  });
});

describePostgres('the real pg_dump', () => {
  test('refuses the question before it connects', async () => {
    const said = localExecutor.run(['pg_dump', '--format=custom', GZIP, '--jobs=2'], {
      timeout: 10_000,
      env: { LC_ALL: 'C', PGHOST: '/nowhere' },
    });
    await expect(said).rejects.toThrow(WITH_ZSTD);
  });

  test('of 15 is not asked for what it cannot do', async () => {
    expect(await askedOf('16.4', undefined)).toBe(GZIP);
  });
});
