import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { DryRun } from '../../src/domain/answers.js';
import type { OperationRecord } from '../../src/domain/operation.js';
import { eventually, type Machine, type Pair, serves, startPair } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';

/** What an agent writes all the time, and what lies there for the moment of a write. */
const PASSING = /^(agent\.log|served\.json|.*\.tmp)$/;

/** Every other file of the agent's: name and content. */
const filesOf = async ({ directory }: Machine): Promise<Record<string, string>> => {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile() && !PASSING.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
  const hash = async (file: string) =>
    [
      file,
      createHash('sha256')
        .update(await readFile(file))
        .digest('hex'),
    ] as const;
  return Object.fromEntries(await Promise.all(files.map(hash)));
};

const everythingOf = async (machine: Machine) => ({
  files: await filesOf(machine),
  operations: await machine.agent.operations(),
  served: await machine.entries(),
});

const ask = async (machine: Machine, path: string, body: object): Promise<DryRun> => {
  const answer = await machine.agent.post<DryRun>(path, { ...body, dryRun: true });
  expect(answer.status).toBe(200);
  return answer.body;
};

const refused = (code: string) => ({
  wouldRun: false,
  refusal: { code, message: expect.any(String), remedy: expect.any(String) },
});
const fine = { wouldRun: true, refusal: null };

describePostgres('somebody asks first, and somebody asks afterwards', () => {
  let pair: Pair;
  let backup: string;
  beforeAll(async () => {
    pair = await startPair({ env: { PREPARE: 'on-receive' } });
    await pair.vcl2.write('an order');
    backup = String((await pair.vcl2.do('/backups')).result?.backup);
    await eventually('VCL3 has prepared it', async () => {
      const { prepared, operation } = await pair.vcl3.agent.status();
      return prepared === backup && operation === null;
    });
  });
  afterAll(() => pair?.remove());

  test('a dry run says what would happen, what refuses it, and changes nothing on either server', async () => {
    const { vcl2, vcl3 } = pair;
    const before = { two: await everythingOf(vcl2), three: await everythingOf(vcl3) };
    const nothing = 'nothing is lost: the last dump is taken after the last write';
    const start = { backup, backupAgeSeconds: expect.any(Number), prepared: true };
    const loss = expect.stringMatching(
      /^without a last dump .* what was written after .* is lost$/,
    );

    expect(await ask(vcl3, '/promote', {})).toMatchObject({
      ...refused('primary-healthy'),
      ...{ ...start, loss },
    });
    const forced = await ask(vcl3, '/promote', { force: true });
    expect(forced).toMatchObject({ ...fine, ...start, loss });
    expect(forced.steps.slice(0, 3)).toEqual(['confirm', 'assess-loss', 'check-app']);
    const planned = await ask(vcl3, '/promote', { planned: true });
    expect(planned).toMatchObject({ ...fine, loss: nothing });
    expect(planned.steps.slice(0, 3)).toEqual(['check-peer', 'freeze', 'final-dump']);
    expect(await ask(vcl2, '/demote', {})).toEqual({ ...planned, peer: expect.any(String) });
    expect(await ask(vcl2, '/promote', {})).toMatchObject(refused('already-primary'));
    expect(await ask(vcl2, '/promote', { planned: true })).toMatchObject(
      refused('already-primary'),
    );
    expect(await ask(vcl3, '/demote', {})).toMatchObject(refused('not-primary'));

    expect({ two: await everythingOf(vcl2), three: await everythingOf(vcl3) }).toEqual(before);
    await expect(vcl3.database.psql('SELECT 1')).rejects.toThrow(/Connection refused/);
    // What it said comes true.
    const handover = await vcl2.do('/demote');
    expect(handover.steps.map(({ name }) => name)).toEqual(planned.steps);
    await serves(vcl3);
    await vcl3.do('/demote');
    await serves(vcl2);
  });

  test('with VCL2 gone as well; and the history outlives kill -9, with every step and time', async () => {
    const { vcl2, vcl3 } = pair;
    await eventually('VCL3 has nothing to do', async () => {
      const { mode, operation, prepared, latestBackup } = await vcl3.agent.status();
      return mode === 'standby' && operation === null && prepared === latestBackup?.id;
    });
    await vcl2.losePower();
    await eventually('VCL3 has noticed all of it', async () => {
      const state = await readFile(join(vcl3.directory, 'state.json'), 'utf8');
      return ['peer-lost', 'primary-lost'].every((event) => state.includes(event));
    });
    const before = await everythingOf(vcl3);
    const { id } = (await vcl3.agent.status()).latestBackup ?? { id: '' };
    const dryRun = await ask(vcl3, '/promote', {});
    expect(dryRun).toMatchObject({ ...fine, backup: id, prepared: true });
    expect(await ask(vcl3, '/promote', { planned: true })).toMatchObject(
      refused('peer-unreachable'),
    );
    expect(await ask(vcl3, '/demote', {})).toMatchObject(refused('not-primary'));
    expect(await everythingOf(vcl3)).toEqual(before);

    await vcl3.inject([{ label: 'promote.choose-backup', moment: 'before', action: 'hold' }]);
    const asked = { reason: 'the machine burns' };
    const { body } = await vcl3.agent.post<OperationRecord>('/promote', asked);
    const cut = await eventually('the promote is on its way', async () => {
      const record = await vcl3.agent.operation(body.id);
      return record.steps.at(-1)?.name === 'choose-backup' && record;
    });
    await vcl3.agent.kill();
    await vcl3.release();
    await vcl3.agent.start();
    await serves(vcl3);
    const after = await vcl3.agent.operations();
    const promote = await vcl3.agent.operation(body.id);
    // The one that was cut goes on under its name, and keeps what it had done.
    expect(promote).toMatchObject({ ...asked, source: 'operator', attempt: 2, state: 'done' });
    expect(promote.steps.slice(0, cut.steps.length - 1)).toEqual(cut.steps.slice(0, -1));
    expect(
      promote.steps
        .filter(({ name }) => name !== 'stop-app')
        .slice(cut.steps.length)
        .map(({ name }) => name),
    ).toEqual(dryRun.steps);
    for (const record of before.operations) expect(after).toContainEqual(record);

    await vcl3.agent.kill();
    await vcl3.agent.start();
    const again = await vcl3.agent.operations();
    expect(again.slice(-after.length)).toEqual(after);
  });
});
