import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ColdspareError } from '../../src/domain/errors.js';
import { coldspare } from '../support/cli.js';
import { type InProcessPair, startInProcessPair } from '../support/in-process-pair.js';
import { eventually } from '../support/pair.js';
import { TOKENS } from '../support/tokens.js';

const ROW = 'jane@example.com';
/** As pg_restore prints it. */
const QUOTES_A_ROW = `pg_restore exited with 1: pg_restore: error: could not execute query: ERROR:  duplicate key value violates unique constraint "mails"
DETAIL:  Key (mail)=(${ROW}) is duplicated.
Command was: CREATE UNIQUE INDEX mails ON customers (mail)`;

describe('H75: rows and escape sequences in what people are told', () => {
  let pair: InProcessPair;
  beforeAll(async () => {
    pair = await startInProcessPair({ PREPARE: 'on-receive' });
  });
  afterAll(() => pair?.remove());

  const type = async (...args: string[]) => {
    const { vcl2 } = pair;
    const cwd = vcl2.agent.stateDirectory;
    const { port } = new URL(vcl2.agent.url);
    await writeFile(
      join(cwd, '.env'),
      `HOST=127.0.0.1\nPORT=${port}\nADMIN_TOKEN=${TOKENS.admin}\n`,
    );
    return coldspare(args, { cwd });
  };

  test("a caller's reason does nothing to root's terminal, and is one line of the history", async () => {
    const reason = '\u001b]0;owned\u0007\u001b[2J\u009b31m\n20990101_000000_promote_x  done';
    await pair.vcl2.do('/backups', { reason });
    const { out } = await type('history');
    expect(out).toContain('\\x1b]0;owned\\x07\\x1b[2J\\x9b31m');
    expect(out).not.toMatch(/^20990101/m);
    const json = await type('history', '--json');
    for (const text of [out, json.out]) expect(text.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
  });

  test('rows in an error of PostgreSQL are in a file that only root reads, and nowhere else', async () => {
    const { vcl2, vcl3 } = pair;
    vcl3.database.restore = async () => {
      throw new ColdspareError('database-failed', QUOTES_A_ROW, 'look at the index');
    };
    await vcl2.write('one');
    await vcl2.do('/backups');
    await eventually('VCL3 has tried it', async () =>
      (await vcl3.agent.status()).problems.includes('prepare-failed'),
    );
    const prepare = await vcl3.lastOperation('prepare', 'rolled-back');
    expect(prepare?.error?.message).toContain('unique constraint "mails"');
    const folder = join(vcl3.agent.stateDirectory, 'operations');
    const file = join(folder, `${prepare?.id}.rows`);
    expect(prepare?.error?.remedy).toContain(file);
    expect(await readFile(file, 'utf8')).toContain(ROW);
    expect((await stat(file)).mode & 0o777).toBe(0o600);

    const log = await readFile(join(vcl3.agent.stateDirectory, 'agent.log'), 'utf8');
    const records = (await readdir(folder)).filter((name) => name.endsWith('.json'));
    const history = await Promise.all(records.map((name) => readFile(join(folder, name), 'utf8')));
    const { details } = await vcl3.agent.status();
    const page = (await vcl3.agent.get<string>('/details', TOKENS.admin)).body;
    for (const told of [log, ...history, JSON.stringify(details), page]) {
      expect(told).not.toContain(ROW);
    }
    expect(log).toContain('unique constraint');
  });

  test('GET /backups shows the names of settings, and the peer gets their values', async () => {
    const { vcl2 } = pair;
    const dump = vcl2.database.dump.bind(vcl2.database);
    vcl2.database.dump = async (...args) => {
      const facts = await dump(...args);
      const [role] = facts.surroundings.roles;
      const roles = role ? [{ ...role, settings: { 'app.key': 'hunter3' } }] : [];
      const settings = { 'app.jwt_secret': 'hunter2' };
      return { ...facts, surroundings: { ...facts.surroundings, roles, settings } };
    };
    await vcl2.write('two');
    await vcl2.do('/backups');
    const shown = await vcl2.agent.get<{ backups: { id: string }[] }>('/backups', TOKENS.admin);
    const id = shown.body.backups[0]?.id;
    const one = await vcl2.agent.get(`/backups/${id}`, TOKENS.admin);
    for (const { body } of [shown, one]) {
      expect(JSON.stringify(body)).toContain('app.key');
      expect(JSON.stringify(body)).not.toContain('hunter');
    }
    const toPeer = await vcl2.agent.get(`/backups/${id}`, TOKENS.peer);
    expect(JSON.stringify(toPeer.body)).toContain('hunter2');
    expect(JSON.stringify(toPeer.body)).toContain('hunter3');
  });
});
