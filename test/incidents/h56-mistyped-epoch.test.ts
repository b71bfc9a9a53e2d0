import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createHttpPeer } from '../../src/drivers/http-peer.js';
import { DUMP, manifestOf, type Service, startService, TOKENS } from '../support/http.js';

const FAR = [2_000_000, 999_999_999_999_999, Number.MAX_SAFE_INTEGER];
const client = 'peer' as const;

describe('H56: a message with PEER_TOKEN names an epoch that nobody can go beyond', () => {
  let primary: Service;
  let standby: Service;
  beforeEach(async () => {
    primary = await startService('primary');
    standby = await startService('standby');
  });
  afterEach(async () => {
    await primary.close();
    await standby.close();
  });

  const commit = (epoch: number) => {
    const manifest = manifestOf(DUMP, { epoch });
    return standby.ask('POST', `/backups/${manifest.id}/commit`, { client, body: manifest });
  };
  const isUnchanged = () => {
    expect(primary.node.state.current).toMatchObject({ mode: 'primary', epoch: 1 });
    expect(standby.node.state.current).toMatchObject({ mode: 'standby', epoch: 0 });
  };

  test.each(FAR)('%i is refused at every door, and nothing is changed', async (epoch) => {
    const headers = { 'Coldspare-Epoch': `${epoch}` };
    const { id } = manifestOf(DUMP);
    await standby.ask('PUT', `/backups/${id}`, { client, body: DUMP });
    const operation = 'promote-of-vcl3';
    const answers = [
      await primary.ask('GET', '/status', { client, headers }),
      await standby.ask('GET', '/status', { client, headers }),
      await primary.ask('POST', '/fence', { client, body: { operation, epoch } }),
      await standby.ask('POST', '/takeovers', { client, body: { operation, epoch, backup: id } }),
      await commit(epoch),
    ];
    for (const { status, body } of answers) {
      expect(status).toBe(400);
      expect(body).toMatchObject({ code: 'invalid-request', remedy: expect.stringMatching(/.+/) });
      expect(body.detail + body.value).toContain(`${epoch}`);
    }
    isUnchanged();
    expect((await commit(1)).status).toBe(201);
  });

  test('what is no whole number of the range is refused in a header as in a body', async () => {
    for (const epoch of ['9007199254740992', '9999999999999999', '-1', '1.5', '']) {
      const headers = { 'Coldspare-Epoch': epoch };
      expect((await primary.ask('GET', '/status', { client, headers })).status).toBe(400);
    }
    for (const epoch of [2 ** 53, -1, 1.5]) {
      const body = { operation: 'promote-of-vcl3', epoch };
      expect((await primary.ask('POST', '/fence', { client, body })).status).toBe(400);
    }
    isUnchanged();
  });

  test('a node that was away for years is told the epoch and believes it', async () => {
    const headers = { 'Coldspare-Epoch': '999999' };
    expect((await standby.ask('GET', '/status', { client, headers })).status).toBe(200);
    expect(standby.node.state.current.epoch).toBe(999_999);
  });

  describe('and a pair that has such an epoch already', () => {
    const ask = async (service: Service, known: number) => {
      const heard: number[] = [];
      const peer = createHttpPeer({
        ...{ url: service.url, token: TOKENS.peer, node: 'me', statusTimeout: 10_000 },
        instance: 'of-the-tests',
        epoch: () => known,
        onEpoch: async (epoch) => void heard.push(epoch),
      });
      await peer.status();
      return heard;
    };

    test('goes on with the next one, of sixteen digits', async () => {
      await standby.node.state.apply('heard', 999_999_999_999_999);
      expect(await ask(standby, 999_999_999_999_998)).toEqual([999_999_999_999_999]);
      const headers = { 'Coldspare-Epoch': '1000000000000001' };
      expect((await standby.ask('GET', '/status', { client, headers })).status).toBe(200);
      expect(await ask(standby, 1_000_000_000_000_000)).toEqual([1_000_000_000_000_001]);
    });

    test('is never two primaries: the node that is behind asks the other one, and believes it', async () => {
      await standby.node.state.apply('heard', 5_000_000);
      expect(await ask(standby, 1)).toEqual([5_000_000]);
    });

    test('an answer cannot use up what is left', async () => {
      await standby.node.state.apply('heard', Number.MAX_SAFE_INTEGER);
      expect(await ask(standby, 1)).toEqual([]);
    });
  });
});
