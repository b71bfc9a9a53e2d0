import { expect, test } from 'vitest';
import { assertPrograms } from '../../src/drivers/host/programs.js';

test('the commands of an app are looked for before they are needed', async () => {
  const APP_START_COMMAND = `${process.execPath} shop.js start`;
  await assertPrograms({ APP_START_COMMAND, APP_STOP_COMMAND: 'sh -c "exit 0"' });
  await expect(
    assertPrograms({ APP_START_COMMAND, APP_STOP_COMMAND: 'systemctll stop shop' }),
  ).rejects.toThrow(
    'APP_STOP_COMMAND="systemctll stop shop": there is no program systemctll that the agent may run',
  );
  await expect(assertPrograms({ APP_START_COMMAND: '/opt/gone/start' })).rejects.toMatchObject({
    code: 'app-failed',
  });
});
