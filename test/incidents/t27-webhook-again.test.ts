import { afterEach, expect, test } from 'vitest';
import type { OperationRecord } from '../../src/domain/operation.js';
import { eventually, type Pair, startPair, TOKENS } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';

const DOWN = { heartbeat: { status: 0 }, monitor: { name: 'shop' }, msg: '[shop] Down' };

describePostgres(
  'T27: promoting takes longer than the checker waits, and it sends the webhook again',
  () => {
    let pair: Pair;
    afterEach(() => pair?.remove());

    test('each is answered at once, and all of them are one operation', async () => {
      pair = await startPair({ vcl3: { CONFIRM_CHECKS: '5', CONFIRM_INTERVAL: '1s' } });
      const { vcl2, vcl3 } = pair;
      await vcl2.write('an order');
      await vcl2.breakApp();
      const path = '/webhooks/uptime-kuma';
      // A checker that would wait all the same.
      const headers = { prefer: 'wait=60' };
      const send = () =>
        vcl3.agent.call<OperationRecord>('POST', path, {
          token: TOKENS.webhook,
          body: DOWN,
          headers,
        });

      const twice = await Promise.all([send(), send()]);
      await eventually('it has looked at VCL2', async () => {
        const { operation } = await vcl3.agent.status();
        return operation?.steps[0]?.detail?.startsWith('check 2 of 5');
      });
      const later = await send();

      const answers = [...twice, later];
      const [{ body: first }] = twice;
      for (const { status, body, headers } of answers) {
        expect(status).toBe(202);
        expect(body).toMatchObject({ id: first.id, kind: 'promote', state: 'running' });
        expect(headers.get('location')).toBe(`/operations/${first.id}`);
      }
      const done = await eventually('VCL3 has taken over', () => vcl3.lastOperation('promote'));
      expect(done).toMatchObject({ id: first.id, state: 'done' });
      // Once more, when it is all over: nothing to repeat, and nothing is restored again.
      expect(await send()).toMatchObject({ status: 200, body: { ignored: true } });
      const promotes = (await vcl3.agent.operations()).filter(({ kind }) => kind === 'promote');
      expect(promotes).toHaveLength(1);
      expect(await vcl3.entries()).toEqual(['SEED', 'an order']);
    });
  },
);
