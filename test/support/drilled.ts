import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { eventually, type Machine } from './pair.js';
import { succeed, type WatchedMachine } from './watched-pair.js';

const hasLeftovers = async ({ agent }: WatchedMachine): Promise<boolean> =>
  JSON.parse(await readFile(join(agent.stateDirectory, 'state.json'), 'utf8')).drillLeftovers;

export const cleansUp = (machine: WatchedMachine): Promise<unknown> =>
  eventually(`${machine.agent.name} has nothing left to clean up`, async () => {
    const { operation } = await machine.agent.status();
    return operation === null && !(await hasLeftovers(machine));
  });

/** Checks that the standby's database is stopped and holds nothing of a drill. Leaves it running. */
export const isTidy = async (standby: WatchedMachine): Promise<void> => {
  expect(await standby.isCold()).toBe(true);
  await standby.startDatabase();
  expect(await standby.databaseNames()).not.toContain('ledger_drill');
};

export const passesAgain = async (standby: WatchedMachine): Promise<void> => {
  const { result } = await succeed(standby, '/drill');
  expect(result).toMatchObject({ passed: true });
  expect((await standby.agent.status()).lastDrill).toEqual(result);
  expect(await standby.isCold()).toBe(true);
};

/** Has the standby restore its newest backup, also where the other tests of a file prepare nothing. */
export const liesPrepared = async (primary: Machine, standby: Machine): Promise<void> => {
  const { prepared, latestBackup } = await standby.agent.status();
  if (prepared !== null && prepared === latestBackup?.id) return;
  const { result } = await succeed(primary, '/backups');
  await standby.agent.stop();
  await standby.agent.start({ PREPARE: 'on-receive' });
  await eventually(`${standby.agent.name} has prepared ${result?.backup}`, async () => {
    const status = await standby.agent.status();
    return status.prepared === result?.backup && status.operation === null;
  });
};

/** Runs `drill` and checks that it leaves the standby as it was, with the same backups prepared and proven. */
export const staysPrepared = async (
  standby: Machine,
  drill: () => Promise<unknown>,
): Promise<void> => {
  const before = await standby.agent.status();
  await drill();
  await cleansUp(standby);
  const { prepared, latestBackup } = await standby.agent.status();
  expect(latestBackup?.proof).toMatchObject({ error: null });
  expect([prepared, latestBackup?.proof]).toEqual([before.prepared, before.latestBackup?.proof]);
  await isTidy(standby);
  const marker = await standby.database.psql(
    `SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'ledger'`,
  );
  expect(marker).toContain(`"backup":"${prepared}","served":false`);
};
