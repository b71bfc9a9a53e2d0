import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, type FaultRule, type Machine, serves } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';
import { sample } from '../support/sample.js';
import { rowsOf, type StreamPair, startStreamPair, streams } from '../support/stream-pair.js';
import { strikes } from '../support/watched-pair.js';

interface Cut {
  /** Whose agent is killed: of the one that gives the role away, or of the one that takes it. */
  who: 'giver' | 'taker';
  label: string;
  moment: FaultRule['moment'];
  /** Who serves in the end. */
  serves: 'giver' | 'taker';
}

const CUTS: Cut[] = [
  { who: 'giver', label: 'handover.drain', moment: 'before', serves: 'giver' },
  { who: 'giver', label: 'handover.offer', moment: 'before', serves: 'giver' },
  { who: 'giver', label: 'handover.stand-down', moment: 'before', serves: 'taker' },
  { who: 'taker', label: 'promote.replay', moment: 'before', serves: 'giver' },
];

/** In each run: the offer is out and the database stopped; the role is taken and the database is still a replica. */
const DECISIVE: Cut[] = [
  { who: 'giver', label: 'handover.await-peer', moment: 'before', serves: 'taker' },
  { who: 'taker', label: 'promote.open-database', moment: 'before', serves: 'taker' },
];

describePostgres('an agent that is killed during a handover by streaming', () => {
  let pair: StreamPair;
  let giver: Machine;
  let taker: Machine;
  beforeAll(async () => {
    pair = await startStreamPair();
    giver = pair.vcl2;
    taker = pair.vcl3;
  }, 180_000);
  afterAll(() => pair?.remove());

  test.each([...DECISIVE, ...sample('cuts of a handover by streaming', CUTS, 1)])(
    '$who before $label: one serves with every write, and the other follows',
    async (cut) => {
      const text = `${cut.who} ${cut.label}`;
      expect(await giver.write(text)).toBe(true);
      const killed = cut.who === 'giver' ? giver : taker;
      const kill: FaultRule = { label: cut.label, moment: cut.moment, action: 'kill' };
      await killed.inject([kill]);
      await giver.agent.post('/demote').catch(() => {});
      await strikes(killed, kill);

      await pair.start(killed);
      const [server, follower] = cut.serves === 'giver' ? [giver, taker] : [taker, giver];
      await serves(server, 60_000);
      await streams(follower);
      const entries = await server.entries();
      expect(entries).toContain(text);
      expect(await server.write(`after ${text}`)).toBe(true);
      await eventually('the other one has everything', async () =>
        (await rowsOf(follower)).includes(`after ${text}`),
      );
      // Nothing was kept aside, because nothing was written twice.
      expect((await follower.databaseNames()).join()).not.toContain('diverged');
      [giver, taker] = [server, follower];
    },
  );
});
