import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Content } from '../support/fake-node.js';
import {
  type InProcessMachine,
  type InProcessPair,
  startInProcessPair,
} from '../support/in-process-pair.js';
import { eventually, serves, standsBy, TOKENS } from '../support/pair.js';

const STATE = ['state.json', 'state.copy.json'];

describe('H36: the state of a node is lost, or an old one is put in its place', () => {
  let pair: InProcessPair;
  beforeEach(async () => {
    pair = await startInProcessPair({ APP_RESTART_AFTER: '10m' });
  });
  afterEach(() => pair?.remove());

  const change = async ({ agent }: InProcessMachine, how: () => Promise<void>) => {
    await agent.kill();
    await how();
    await agent.start();
  };
  const lose = (machine: InProcessMachine, files = STATE) =>
    change(machine, async () => {
      for (const file of files) await rm(join(machine.directory, file), { recursive: true });
    });
  /** Under load an app may miss a check, and its restart is more urgent. */
  const backUp = () =>
    eventually('a backup is taken', async () => {
      const { body } = await pair.vcl2.run('/backups');
      return body.state === 'done';
    });
  const takesOver = (machine: InProcessMachine) =>
    eventually('it takes over', async () => {
      await machine.run('/promote', { force: true });
      return (await machine.lastOperation('promote', 'done')) !== undefined;
    });
  const newestOf = async ({ agent }: InProcessMachine) => {
    const { body } = await agent.get<{ backups: { id: string; sequence: number }[] }>(
      '/backups',
      TOKENS.admin,
    );
    return body.backups[0];
  };
  /** Resolves to what puts the state of now in the place of a later one. */
  const keepState = async ({ directory }: InProcessMachine) => {
    const files = STATE.map((file) => join(directory, file));
    const old = await Promise.all(files.map((file) => readFile(file, 'utf8')));
    return async () => {
      for (const [index, file] of files.entries()) await writeFile(file, old[index] ?? '');
    };
  };
  /** The machine is set back to an earlier image of itself, disk and database. */
  const takeImage = async ({ directory, database }: InProcessMachine) => {
    const image = `${directory}.image`;
    await cp(directory, image, { recursive: true });
    const contents = structuredClone(database.databases.get('ledger')) as Content;
    return async () => {
      await rm(directory, { recursive: true });
      await cp(image, directory, { recursive: true });
      database.databases.set('ledger', contents);
    };
  };

  test.each([
    ['removed', undefined],
    ['cut by a power failure', '{"version": 1, "mo'],
    ['replaced by something else', 'null'],
  ])('state.json is %s: the copy is used, and the users notice nothing', async (_what, text) => {
    const { vcl2 } = pair;
    await backUp();
    const file = join(vcl2.directory, 'state.json');
    const before = JSON.parse(await readFile(file, 'utf8'));
    await change(vcl2, () => (text === undefined ? rm(file) : writeFile(file, text)));
    await serves(vcl2);
    expect(await vcl2.lastOperation('fence')).toBeUndefined();
    const { sequence, lineage, epoch, since } = JSON.parse(await readFile(file, 'utf8'));
    expect({ sequence, lineage, epoch, since }).toEqual({
      ...{ sequence: before.sequence, lineage: before.lineage, epoch: 1, since: before.since },
    });
    if (text !== undefined) expect(await readFile(`${file}.unreadable`, 'utf8')).toBe(text);
  });

  test('VCL2 lost everything it knew: it serves again, and its next backup is the newest', async () => {
    const { vcl2, vcl3 } = pair;
    for (let tick = 0; tick < 3; tick += 1) {
      await vcl2.write(`order ${tick}`);
      await backUp();
    }
    await vcl2.write('the last order');
    await lose(vcl2);
    await serves(vcl2);
    await backUp();
    expect((await newestOf(vcl3))?.sequence).toBe(4);

    await lose(vcl2, [...STATE, 'backups/.coldspare']);
    await serves(vcl2);
    expect(await vcl2.agent.status()).toMatchObject({ epoch: 1, mode: 'primary' });
    await vcl2.breakApp();
    await takesOver(vcl3);
    expect(await vcl3.entries()).toContain('the last order');
  });

  test('after a failback the good database stays in service, whoever has lost its state', async () => {
    const { vcl2, vcl3 } = pair;
    await backUp();
    await vcl3.run('/promote', { planned: true });
    await serves(vcl3);
    await vcl3.write('an order on VCL3');
    await lose(vcl3);
    await serves(vcl3);
    expect(await vcl3.agent.status()).toMatchObject({ epoch: 2, mode: 'primary' });

    await standsBy(vcl2);
    await vcl3.run('/demote');
    await serves(vcl2);
    await vcl2.write('an order after the failback');
    // Without a trace on its disk, it hears from VCL3 that it has been the primary.
    await lose(vcl2, [...STATE, 'operations', 'backups']);
    await serves(vcl2);
    expect(await vcl2.agent.status()).toMatchObject({ epoch: 3, mode: 'primary' });
    expect(await vcl2.entries()).toEqual(
      expect.arrayContaining(['an order on VCL3', 'an order after the failback']),
    );
    expect(await vcl2.databaseNames()).not.toContainEqual(expect.stringContaining('diverged'));
  });

  test('VCL3 serves and gets an old state, of a standby: it does not give up what it serves', async () => {
    const { vcl2, vcl3 } = pair;
    await backUp();
    const putBack = await keepState(vcl3);
    await vcl3.run('/promote', { planned: true });
    await serves(vcl3);
    await vcl3.write('an order on VCL3');
    await vcl2.agent.kill();
    await change(vcl3, putBack);
    expect(await vcl3.agent.status()).toMatchObject({ mode: 'yielding' });
    await vcl2.agent.start();
    await serves(vcl3);
    expect(await vcl3.entries()).toContain('an order on VCL3');
  });

  test('VCL3 lost its power with an old state: what it served is not replaced by an older backup', async () => {
    const { vcl2, vcl3 } = pair;
    await backUp();
    const putBack = await keepState(vcl3);
    await vcl3.run('/promote', { planned: true });
    await serves(vcl3);
    await vcl3.write('an order on VCL3');
    await vcl2.agent.kill();
    await vcl3.losePower();
    await putBack();
    await vcl3.agent.start();
    await eventually('VCL3 has noticed it', async () => {
      await vcl3.run('/promote', { force: true });
      return (await vcl3.agent.status()).mode === 'yielding';
    });
    expect((await vcl3.lastOperation('promote'))?.error?.message).toMatch(
      /has served at epoch 2, of which this node remembers nothing/,
    );
    await vcl2.agent.start();
    await serves(vcl3);
    expect(await vcl3.entries()).toContain('an order on VCL3');
  });

  test('without an answer of VCL3 it serves nobody; then VCL3 answers', async () => {
    const { vcl2, vcl3 } = pair;
    await backUp();
    await vcl3.agent.kill();
    await lose(vcl2);
    const tried = await eventually('VCL2 has looked', () => vcl2.lastOperation('boot'));
    expect(tried).toBeDefined();
    expect(await vcl2.agent.status()).toMatchObject({ mode: 'yielding', serving: false });
    const { body } = await vcl2.agent.get<{ problems: string[] }>('/health');
    expect(body.problems).toContain('yielding');
    await vcl3.agent.start();
    await serves(vcl2);
  });

  test('an image of VCL2 from before three backups serves nobody, and VCL3 has what it lacks', async () => {
    const { vcl2, vcl3 } = pair;
    await backUp();
    await vcl2.agent.kill();
    const setBack = await takeImage(vcl2);
    await vcl2.agent.start();
    await serves(vcl2);
    for (let tick = 0; tick < 3; tick += 1) {
      await vcl2.write(`order ${tick}`);
      await backUp();
    }
    await vcl2.losePower();
    await setBack();
    await vcl2.agent.start();
    await standsBy(vcl2);
    expect(await vcl2.entries()).toBeUndefined();
    await takesOver(vcl3);
    expect(await vcl3.entries()).toEqual(['SEED', 'order 0', 'order 1', 'order 2']);
  });

  test('only an old state.json was put in its place: the database proves that nothing is missing', async () => {
    const { vcl2, vcl3 } = pair;
    await backUp();
    const old = await readFile(join(vcl2.directory, 'state.json'), 'utf8');
    for (let tick = 0; tick < 3; tick += 1) {
      await vcl2.write(`order ${tick}`);
      await backUp();
    }
    await vcl2.write('the last order');
    await change(vcl2, () => writeFile(join(vcl2.directory, 'state.json'), old));
    await serves(vcl2);
    expect(await vcl2.entries()).toContain('the last order');
    await backUp();
    expect((await newestOf(vcl3))?.sequence).toBe(5);
  });
});
