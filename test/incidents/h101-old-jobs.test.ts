import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { keptBeside } from '../../src/drivers/compose/beside.js';
import { openProject } from '../../src/drivers/compose/project.js';
import type { Executor } from '../../src/drivers/run-command.js';
import { type InProcessPair, startInProcessPair } from '../support/in-process-pair.js';
import { eventually, serves, standsBy } from '../support/pair.js';

describe('H101: the queue beside the database keeps old jobs, which run when the role returns', () => {
  /** A compose that has read files with these services. */
  const composeWith = (services: object) => {
    const executor = {
      run: async () => JSON.stringify({ name: 'shop', services, networks: {} }),
    } as unknown as Executor;
    return openProject(executor, { command: 'docker compose', directory: '/srv/shop' });
  };

  test('every service and volume beside the database is named', async () => {
    const volume = (source: string, target: string, more = {}) => ({
      ...{ type: 'volume', source, target },
      ...more,
    });
    const project = composeWith({
      db: { image: 'postgres:17', volumes: [volume('db_data', '/var/lib/postgresql/data')] },
      app: {
        build: { context: '.' },
        volumes: [
          volume('uploads', '/app/uploads'),
          { type: 'bind', source: '/srv/shop/config', target: '/app/config', read_only: true },
          { type: 'tmpfs', target: '/tmp' },
        ],
      },
      queue: { image: 'registry.example:5000/library/redis:7', volumes: [volume('jobs', '/data')] },
      cache: { image: 'memcached' },
      mails: { image: 'axllent/mailpit' },
    });
    expect(await keptBeside(project, 'db')).toEqual([
      'the service app, volume uploads',
      'the service queue (registry.example:5000/library/redis:7), volume jobs',
      'the service cache (memcached)',
    ]);
  });

  describe('a command for a change of role', () => {
    let pair: InProcessPair;
    /** What each node has run, with what its app held at that moment. */
    const ran = (node: 'vcl2' | 'vcl3') =>
      readFile(join(pair[node].agent.stateDirectory, 'ran'), 'utf8').then(
        (text) => text.trim().split('\n'),
        () => [],
      );
    const say = (text: string) => `sh -c 'echo ${text} $COLDSPARE_ROLE $COLDSPARE_EPOCH >> ran'`;
    beforeAll(async () => {
      pair = await startInProcessPair({
        ON_PRIMARY_COMMAND: say('flush'),
        ON_STANDBY_COMMAND: say('empty'),
      });
    });
    afterAll(() => pair?.remove());

    test('runs once for each change: before the app of the new primary starts, after that of the old one stopped', async () => {
      const { vcl2, vcl3 } = pair;
      expect([await ran('vcl2'), await ran('vcl3')]).toEqual([[], []]);
      const atStart: string[][] = [];
      const start = vcl3.app.start.bind(vcl3.app);
      vcl3.app.start = async () => {
        atStart.push(await ran('vcl3'));
        await start();
      };
      await vcl2.do('/demote');
      await serves(vcl3);
      const { epoch } = await vcl3.agent.status();
      expect(atStart[0]).toEqual([`flush primary ${epoch}`]);
      const old = await eventually('VCL2 has emptied its queue', async () => {
        const lines = await ran('vcl2');
        return lines.length > 0 && lines;
      });
      expect(old).toEqual([`empty standby ${epoch}`]);
      expect(await vcl2.entries()).toBeUndefined();
    });

    test('does not run at a restart of the agent or of the app', async () => {
      const { vcl2, vcl3 } = pair;
      const before = [await ran('vcl2'), await ran('vcl3')];
      await Promise.all([vcl2.agent.stop(), vcl3.agent.stop()]);
      vcl3.killApp();
      await Promise.all([vcl2.agent.start(), vcl3.agent.start()]);
      await serves(vcl3);
      await standsBy(vcl2);
      expect([await ran('vcl2'), await ran('vcl3')]).toEqual(before);
    });

    test('that fails does not keep the app of a new primary down, and is a problem', async () => {
      const { vcl2, vcl3 } = pair;
      await vcl2.agent.stop();
      await vcl2.agent.start({ ON_PRIMARY_COMMAND: "sh -c 'echo no such queue >&2; exit 3'" });
      await standsBy(vcl2);
      await vcl3.do('/demote');
      await serves(vcl2);
      const { problems, details } = await vcl2.agent.status();
      expect(problems).toEqual(['role-command-failed']);
      expect(details?.['role-command-failed']?.because).toContain('no such queue');
    });
  });
});
