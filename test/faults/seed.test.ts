import { readdir } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, type FaultRule } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';
import { sample } from '../support/sample.js';
import { STEPS } from '../support/step-names.js';
import { rowsOf, type StreamPair, startStreamPair, streams } from '../support/stream-pair.js';
import { strikes } from '../support/watched-pair.js';

const cuts = STEPS.seed.flatMap((label): FaultRule[] => [
  { label, moment: 'before', action: 'kill' },
  { label, moment: 'after', action: 'kill' },
]);

/** In each run: before and after this the directory holds another cluster. */
const DECISIVE = cuts.filter(({ label, moment }) => label === 'seed.swap' && moment === 'after');

describePostgres('an agent that is killed at any step of a seed', () => {
  let pair: StreamPair;
  beforeAll(async () => {
    pair = await startStreamPair();
  }, 180_000);
  afterAll(() => pair?.remove());

  /** Its database takes writes of its own, so that it is no replica any more. */
  const makeDiverged = async (): Promise<void> => {
    const { vcl3 } = pair;
    await vcl3.agent.stop();
    await vcl3.database.psql('SELECT pg_promote()');
  };

  const others = cuts.filter((cut) => !DECISIVE.includes(cut));
  test.each([...DECISIVE, ...sample('cuts of a seed', others, 1)])(
    '$action $moment $label: the directory is never empty, and the standby is a replica in the end',
    async (cut) => {
      const { vcl2, vcl3 } = pair;
      await makeDiverged();
      expect(await vcl2.write(`${cut.moment} ${cut.label}`)).toBe(true);
      await vcl3.inject([cut]);
      await pair.start(vcl3);
      await strikes(vcl3, cut);
      expect(await readdir(vcl3.database.data)).not.toEqual([]);

      await pair.start(vcl3);
      await streams(vcl3);
      const written = await vcl2.entries();
      await eventually('it has every entry', async () => {
        const rows = await rowsOf(vcl3);
        return rows.join() === written?.join();
      });
      expect((await readdir(vcl3.database.data)).join()).not.toContain('pgsql_tmp');
    },
  );
});
