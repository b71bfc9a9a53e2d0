import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createGuard } from '../../src/background/guard.js';
import { ColdspareError } from '../../src/domain/errors.js';
import { recover } from '../../src/operations/boot/recover.js';
import { type Service, startService } from '../support/http.js';

const NO_FILE = new ColdspareError(
  'database-failed',
  'there is no compose file base.yml',
  'set COMPOSE_FILE',
);

describe('H96: the app of a primary answers, but its agent could not adopt the database', () => {
  let primary: Service;
  let guard: () => Promise<void>;
  beforeEach(async () => {
    primary = await startService('primary', { settings: { aloneGrace: 0 } });
    await primary.node.state.update({ lineage: null });
    primary.node.local.opened = false;
    const live = primary.database.databases.get('ledger');
    if (live !== undefined) live.marker = undefined;
    primary.database.start = async () => {
      throw NO_FILE;
    };
    guard = createGuard(primary.node);
    await recover(primary.node);
    await bootEnds();
    await guard();
  });
  afterEach(() => primary.close());

  const bootEnds = async () => {
    const { runner } = primary.node;
    if (runner.current !== undefined) await runner.wait(runner.current.id, 10_000);
  };

  test('it is not well, for the reason of its boot, and a backup is refused with that and what to do', async () => {
    const health = await primary.ask('GET', '/health');
    expect(health).toMatchObject({ status: 503, body: { problems: ['not-opened'] } });
    const { body: status } = await primary.ask('GET', '/status', { client: 'admin' });
    expect(status).toMatchObject({ serving: true, unopened: NO_FILE.message });
    const { body } = await primary.ask('POST', '/backups', { client: 'admin' });
    expect(body).toMatchObject({
      code: 'foreign-lineage',
      detail: `vcl2 has not adopted its database yet: ${NO_FILE.message}`,
      remedy: expect.stringContaining(`${NO_FILE.remedy}. It is tried again by itself`),
    });
  });

  test('once its boot has worked, it is well', async () => {
    primary.database.start = async () => {};
    await expect
      .poll(async () => {
        await guard();
        await bootEnds();
        return primary.node.state.current.lineage;
      })
      .not.toBeNull();
    const { body } = await primary.ask('GET', '/health');
    expect(body.problems).toEqual([]);
  });
});
