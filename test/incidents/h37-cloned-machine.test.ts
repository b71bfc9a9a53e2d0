import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Manifest } from '../../src/domain/manifest.js';
import { createHttpPeer } from '../../src/drivers/http-peer.js';
import {
  type InProcessMachine,
  type InProcessPair,
  startInProcessPair,
} from '../support/in-process-pair.js';
import { eventually, serves, TOKENS } from '../support/pair.js';

/** What a clone of `machine` sends to the other one: it has its key, its name and its state. */
const cloneOf = (machine: InProcessMachine, other: InProcessMachine, epoch: number) =>
  createHttpPeer({
    ...{ url: other.agent.url, token: TOKENS.peer, node: machine.agent.name, epoch: () => epoch },
    ...{ instance: 'of-the-clone', onEpoch: async () => {}, statusTimeout: 1_000 },
  });

describe('H37: somebody clones a machine, STATE_DIR and all', () => {
  let pair: InProcessPair;
  let good: Manifest[];
  beforeEach(async () => {
    pair = await startInProcessPair({ APP_RESTART_AFTER: '10m', BACKUP_KEEP: '2' });
    for (const order of ['one', 'two']) {
      await pair.vcl2.write(order);
      await backUp();
    }
    good = await backupsOf(pair.vcl3);
    expect(good).toHaveLength(2);
  });
  afterEach(() => pair?.remove());

  /** Under load an app may miss a check, and its restart is more urgent. */
  const backUp = () =>
    eventually('a backup is taken', async () => {
      const { body } = await pair.vcl2.run('/backups');
      return body.state === 'done';
    });

  const backupsOf = async ({ agent }: InProcessMachine) =>
    (await agent.get<{ backups: Manifest[] }>('/backups', TOKENS.peer)).body.backups;

  /** It pushes what looks like the next backups of VCL2. Resolves to the codes of the answers. */
  const push = async (tick: number) => {
    const { vcl2, vcl3 } = pair;
    const clone = cloneOf(vcl2, vcl3, 1);
    const codeOf = (error: unknown) => (error as { value?: unknown }).value;
    const dump = Buffer.from(JSON.stringify({ 'public.entries': 0, 'of the clone': 1 }));
    const sha256 = createHash('sha256').update(dump).digest('hex');
    const id = `ledger_20991231_23595${tick}`;
    const more = { id, sequence: 9 + tick, bytes: dump.length, sha256 };
    const extent = { from: 0, bytes: dump.length };
    const signal = AbortSignal.timeout(10_000);
    return [
      await clone.upload(id, Readable.from([dump]), extent, signal).catch(codeOf),
      await clone.commit({ ...(good[0] as Manifest), ...more }).catch(codeOf),
      await clone.confirm(good[0]?.id ?? '', new Date().toISOString()).catch(codeOf),
    ];
  };

  test.each([
    ['while VCL2 serves', async () => {}],
    ['while VCL2 is down', () => pair.vcl2.agent.kill()],
  ])('its pushes evict nothing, %s', async (_when, before) => {
    await before();
    for (let tick = 0; tick < 3; tick += 1)
      expect(await push(tick)).toEqual(Array(3).fill('not-the-peer'));
    expect(await backupsOf(pair.vcl3)).toEqual(good);
  });

  test('a clone of VCL3 that was promoted elsewhere does not stop VCL2', async () => {
    const { vcl2, vcl3 } = pair;
    const clone = cloneOf(vcl3, vcl2, 2);
    expect(await clone.status()).toMatchObject({ node: 'vcl2', mode: 'primary' });
    await expect(clone.fence('20261122_193000_promote_1', 4)).rejects.toMatchObject({
      value: 'not-the-peer',
    });
    expect(await vcl2.agent.status()).toMatchObject({ mode: 'primary', epoch: 1, serving: true });
  });

  test('the real one is known again after each start', async () => {
    const { vcl2, vcl3 } = pair;
    await vcl2.agent.kill();
    await vcl2.agent.start();
    await serves(vcl2);
    await backUp();
    expect(await backupsOf(vcl3)).not.toEqual(good);
    await vcl3.agent.kill();
    await vcl3.agent.start();
    await eventually('VCL3 is back', async () => (await vcl3.agent.status()).peer.reachable);
    await backUp();
    await vcl3.run('/promote', { planned: true });
    await serves(vcl3);
  });
});
