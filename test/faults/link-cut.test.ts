import { expect, test } from 'vitest';
import { hasEnded, type OperationRecord } from '../../src/domain/operation.js';
import { Exchanges, type Fate } from '../support/exchanges.js';
import { eventually, type Machine } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';
import { isDrawn } from '../support/sample.js';
import { succeed, watchedPair } from '../support/watched-pair.js';

const FATES: Fate[] = ['request', 'answer'];
const LONG = 600_000;

/** At these it is cut in every run. */
const TAKES_OVER = "the primary's POST /takeovers";
const FENCES = "the standby's POST /fence";
/** Of the other messages, so many in a run; all of them in a soak. */
const SHARE = 0.2;

/** Every message that an operation sends is lost once, and everything after it for a while. */
describePostgres('the link is cut between any two messages', () => {
  const pair = watchedPair();

  /** Asks for an operation again and again, each time with the link cut at another message, until none is left. */
  const cutEverywhere = async (fate: Fate, operate: (round: string) => Promise<Round>) => {
    const exchanges = new Exchanges(
      pair.machines.link,
      fate,
      (message) =>
        [TAKES_OVER, FENCES].includes(message) || isDrawn(`losing each ${fate}: ${message}`, SHARE),
    );
    for (let round = 1; ; round += 1) {
      const { machine, path, after } = await operate(`round ${round}, losing each ${fate}`);
      exchanges.arm(pair.primary);
      const asked = await eventually(`${machine.agent.name} takes up ${path}`, async () => {
        const { status, body } = await machine.agent.post<OperationRecord>(path);
        return status === 202 && body;
      });
      const { state } = await eventually('the link is cut, or the operation ends', async () => {
        const record = await machine.agent.operation(asked.id);
        return (exchanges.struck !== undefined || hasEnded(record)) && record;
      });
      const { struck } = exchanges;
      if (struck !== undefined) await bothNoticed();
      exchanges.heal();
      await after();
      await pair.settled().catch((cause) => {
        throw new Error(`after losing the ${fate} of ${struck}`, { cause });
      });
      if (struck === undefined && state === 'done') return exchanges.cuts;
    }
  };

  const bothNoticed = () =>
    eventually('both nodes miss each other', async () => {
      const [one, other] = await Promise.all([
        pair.primary.agent.status(),
        pair.standby.agent.status(),
      ]);
      return !one.peer.reachable && !other.peer.reachable;
    });

  test.each(FATES)(
    'of a handover, losing each %s: no write is lost, nobody serves twice',
    async (fate) => {
      const cuts = await cutEverywhere(fate, async (round) => {
        await pair.write(round);
        return { machine: pair.primary, path: '/demote', after: async () => {} };
      });
      expect(cuts).toContain(TAKES_OVER);
    },
    LONG,
  );

  test.each(FATES)(
    'of a takeover, losing each %s: nothing is lost, nobody serves twice',
    async (fate) => {
      const cuts = await cutEverywhere(fate, async (round) => {
        const { primary, standby } = pair;
        await pair.write(round);
        // Where the link is cut before the last dump has come through, this one has everything as well.
        await succeed(primary, '/backups');
        await primary.breakApp();
        return { machine: standby, path: '/promote', after: () => primary.mendApp() };
      });
      expect(cuts).toContain(FENCES);
    },
    LONG,
  );
});

interface Round {
  machine: Machine;
  path: string;
  /** What else is mended once the link is whole again. */
  after(): Promise<void>;
}
