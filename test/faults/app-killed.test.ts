import { expect, test } from 'vitest';
import { hasEnded } from '../../src/domain/operation.js';
import { held, saying } from '../support/fault-rules.js';
import { eventually, type Machine } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';
import { STEPS } from '../support/step-names.js';
import { provoke, watchedPair } from '../support/watched-pair.js';

/** Every step before which an app runs; the plans do not say which those are, so each is tried and looked at. */
describePostgres('the app is killed before any step at which it runs', () => {
  const pair = watchedPair();

  interface Round {
    asked: Machine;
    path: string;
    /** Whose steps they are. */
    victim: Machine;
    /** Whose app they find at work. */
    server: Machine;
  }

  /** Resolves to the steps that found an app to kill. One operation serves all those that find none. */
  const killEverywhere = async (labels: string[], begin: () => Round): Promise<string[]> => {
    const killed: string[] = [];
    const steps = held(labels);
    for (let next = 0; next < steps.length; ) {
      const { asked, path, victim, server } = begin();
      const [first, ...others] = steps.slice(next) as [(typeof steps)[0], ...typeof steps];
      await pair.write(saying(first));
      await victim.inject([first]);
      const id = await provoke(asked, path, victim, first);
      next += 1;
      let found = await server.entries();
      for (const step of others) {
        if (found !== undefined) break;
        await victim.inject([step]);
        next += 1;
        await eventually(`${step.label} is reached, or the operation has ended`, async () => {
          return (await victim.hits()).length > 0 || hasEnded(await victim.agent.operation(id));
        });
        found = await server.entries();
      }
      if (found !== undefined) {
        killed.push(steps[next - 1]?.label ?? '');
        server.killApp();
      }
      await victim.release();
      await pair.settled();
    }
    return killed;
  };

  test('of a backup: it is started again, and nothing is lost', async () => {
    const killed = await killEverywhere(STEPS.backup, () => {
      const { primary } = pair;
      return { asked: primary, path: '/backups', victim: primary, server: primary };
    });
    expect(killed).toEqual(STEPS.backup);
  });

  test('of a handover, on the node that gives: nothing is lost', async () => {
    const killed = await killEverywhere(STEPS.handover, () => {
      const { primary } = pair;
      return { asked: primary, path: '/demote', victim: primary, server: primary };
    });
    expect(killed).toEqual(['handover.check-peer', 'handover.freeze']);
  });

  test('of a handover, on the node that takes: it is started again, and nothing is lost', async () => {
    const killed = await killEverywhere(STEPS.takeOver, () => {
      const { primary, standby } = pair;
      return { asked: primary, path: '/demote', victim: standby, server: standby };
    });
    expect(killed).toContain(STEPS.takeOver.at(-1));
  });
});
