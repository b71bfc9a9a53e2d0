import { afterAll, beforeAll, expect, test } from 'vitest';
import { hasEnded } from '../../src/domain/operation.js';
import { liesPrepared, passesAgain, staysPrepared } from '../support/drilled.js';
import { heldSome, saying } from '../support/fault-rules.js';
import { eventually, type Machine, serves } from '../support/pair.js';
import { describeMount, SmallDisk } from '../support/small-disk.js';
import { STEPS } from '../support/step-names.js';
import { provoke, succeed, watchedPair } from '../support/watched-pair.js';

describeMount('the disk is full before any step of an operation', () => {
  let disks: Record<string, SmallDisk> = {};
  beforeAll(async () => {
    disks = { vcl2: await SmallDisk.mount(), vcl3: await SmallDisk.mount() };
  });
  // Before the pair's own, so that it runs after it.
  afterAll(() => Promise.all(Object.values(disks).map((disk) => disk.unmount())));
  const pair = watchedPair(() => ({
    vcl2: { STATE_DIR: diskOf('vcl2').newDirectory() },
    vcl3: { STATE_DIR: diskOf('vcl3').newDirectory() },
  }));

  const diskOf = (name: string): SmallDisk => {
    const disk = disks[name];
    if (disk === undefined) throw new Error(`nothing was mounted for ${name}`);
    return disk;
  };
  /** From the fault on `victim` to the operation's end on `asked`, its state, journal and backups have no room. */
  const fillUntilItEnds = async (victim: Machine, asked: Machine, id: string) => {
    const disk = diskOf(victim.agent.name);
    try {
      await disk.fill();
      await victim.release();
      await eventually('the operation ends although the disk is full', async () => {
        return hasEnded(await asked.agent.operation(id));
      });
    } finally {
      await disk.free();
    }
  };

  test.each(heldSome('full disk: sender', [...STEPS.backup, ...STEPS.receive], 1))(
    'of a backup, on the node that sends, $label: the next one is complete on both nodes',
    async (cut) => {
      const { primary, standby } = pair;
      await pair.write(saying(cut));
      await primary.inject([cut]);

      const id = await provoke(primary, '/backups', primary, cut);
      await fillUntilItEnds(primary, primary, id);
      expect(await pair.settled()).toBe(primary);
      const { result } = await succeed(primary, '/backups');
      expect((await standby.agent.status()).latestBackup?.id).toBe(result?.backup);
    },
  );

  test.each(heldSome('full disk: receiver', STEPS.receive, 1))(
    'of a backup, on the node that receives, $label: the next one is complete on both nodes',
    async (cut) => {
      const { primary, standby } = pair;
      await pair.write(saying(cut));
      await standby.inject([cut]);

      const id = await provoke(primary, '/backups', standby, cut);
      await fillUntilItEnds(standby, primary, id);
      expect(await primary.lastOperation('backup')).toMatchObject({
        error: { message: expect.stringContaining('disk is full') },
      });
      expect(await pair.settled()).toBe(primary);
      const { result } = await succeed(primary, '/backups');
      expect((await standby.agent.status()).latestBackup?.id).toBe(result?.backup);
    },
  );

  test.each(heldSome('full disk: handover', STEPS.handover, 1))(
    'of a handover, on the node that gives, $label: no write is lost',
    async (cut) => {
      const { primary } = pair;
      await pair.write(saying(cut));
      await primary.inject([cut]);

      const id = await provoke(primary, '/demote', primary, cut);
      await fillUntilItEnds(primary, primary, id);
      await pair.settled();
    },
  );

  test.each(heldSome('full disk: take-over', STEPS.takeOver, 1))(
    'of a handover, on the node that takes, $label: no write is lost',
    async (cut) => {
      const { primary, standby } = pair;
      await pair.write(saying(cut));
      await standby.inject([cut]);

      const id = await provoke(primary, '/demote', standby, cut);
      await fillUntilItEnds(standby, primary, id);
      await pair.settled();
    },
  );

  test.each(heldSome('full disk: promote', STEPS.promote, 1))(
    'of a takeover, on the node that takes over, $label: nothing is lost',
    async (cut) => {
      const { primary, standby } = pair;
      await pair.write(saying(cut));
      // A last dump has no room any more.
      await succeed(primary, '/backups');
      await primary.breakApp();
      await standby.inject([cut]);

      const id = await provoke(standby, '/promote', standby, cut, { reason: 'the app crashed' });
      await fillUntilItEnds(standby, standby, id);
      await primary.mendApp();
      await pair.settled();
    },
  );

  test('of the node that is to be taken over from: it can still promise not to serve, and nothing is lost', async () => {
    const { primary, standby } = pair;
    await pair.write('before the disk was full');
    await succeed(primary, '/backups');
    const disk = diskOf(primary.agent.name);
    // A case before this one may have spent it.
    await eventually('it has its ballast again', async () => disk.has('ballast'));
    try {
      await disk.fill();
      // In no backup, and there is no room for one here.
      await pair.write('after the disk was full');
      await primary.breakApp();
      const { result } = await succeed(standby, '/promote', { reason: 'the app crashed' });
      expect(result?.loss).toMatch(/^nothing is lost/);
    } finally {
      await disk.free();
    }
    await primary.mendApp();
    expect(await pair.settled()).toBe(standby);
  });

  test('of the primary, whose agent is started again: it serves, and its log holds nothing up (H51)', async () => {
    const { primary } = pair;
    const disk = diskOf(primary.agent.name);
    try {
      await disk.fill();
      await primary.agent.kill();
      await primary.agent.start();
      await serves(primary);
      expect((await primary.agent.get('/primary')).status).toBe(200);
    } finally {
      await disk.free();
    }
    expect(await pair.settled()).toBe(primary);
  });

  // They write nothing of their own: a disk that is full before them ends the drill at the next step.
  const WRITES_NOTHING = ['drill.start-database', 'drill.verify', 'drill.query'];

  test.each(
    heldSome(
      'full disk: drill',
      STEPS.drill.filter((label) => !WRITES_NOTHING.includes(label)),
      1,
    ),
  )('of a drill, $label: it fails, and what lies prepared stays so', async (cut) => {
    const { primary, standby } = pair;
    await liesPrepared(primary, standby);
    const { lastDrill } = await standby.agent.status();
    await standby.inject([cut]);

    await staysPrepared(standby, async () => {
      const id = await provoke(standby, '/drill', standby, cut);
      await fillUntilItEnds(standby, standby, id);
      expect(await standby.agent.operation(id)).toMatchObject({
        state: 'failed',
        error: { message: expect.stringContaining('disk is full') },
      });
    });
    // There was no room to write down another.
    expect((await standby.agent.status()).lastDrill).toEqual(lastDrill);
    expect(await pair.settled()).toBe(primary);
  });

  test('and after all that a drill passes', async () => {
    await liesPrepared(pair.primary, pair.standby);
    await passesAgain(pair.standby);
  });
});
