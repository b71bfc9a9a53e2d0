import { createServer } from 'node:http';
import {
  type AddressInfo,
  createServer as createTcpServer,
  type Server,
  type Socket,
} from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ColdspareError } from '../../src/domain/errors.js';
import {
  type Asker,
  DECISIONS,
  decide,
  type Situation,
} from '../../src/domain/takeover-verdict.js';
import { createHttpPeer } from '../../src/drivers/http-peer.js';
import { createHttpProbe } from '../../src/drivers/http-probe.js';
import { unrecorded } from '../../src/engine/operation.js';
import { createApp } from '../../src/http/app.js';
import { createMetrics } from '../../src/http/metrics/metrics.js';
import { type HttpServer, serveHttp } from '../../src/http/server.js';
import { verifyOutage } from '../../src/operations/promote/verify-outage.js';
import { createFakeNode, type FakeNode } from '../support/fake-node.js';
import { silentPort } from '../support/silent-port.js';

const ASKERS: Asker[] = ['monitor', 'webhook', 'operator'];

describe('the table of decisions', () => {
  const situations: Situation[] = (['serving', 'busy', 'idle', 'unreachable'] as const).flatMap(
    (agent) =>
      (['healthy', 'down', 'unwatched'] as const).flatMap((app) =>
        (['serves', 'fails', 'mute', 'unset'] as const).flatMap((witness) =>
          ASKERS.map((asker) => ({ agent, app, witness, asker })),
        ),
      ),
  );

  test('decides every situation, and needs each of its rows', () => {
    const used = new Set(situations.map(decide));
    expect(situations).toHaveLength(144);
    expect([...used].sort()).toEqual([...DECISIONS].sort());
  });

  test('never takes over from a primary that shows a sign of life', () => {
    const alive = situations.filter(({ agent, app }) => agent === 'serving' || app === 'healthy');
    expect(alive.filter((situation) => decide(situation).refuse !== 'primary-healthy')).toEqual([]);
  });
});

type Way = 'answers' | 'refuses' | 'silent' | 'hangs';
const WAYS: Way[] = ['answers', 'refuses', 'silent', 'hangs'];

/**
 * What has to come out, written down by hand. Rows: how the agent and the app answer, where the agent says that
 * its app is down and the app answers 503. Columns: the witness answers 200, answers 502, does not answer.
 */
const EXPECTED: Record<Asker, { agentAnswers: string[]; agentDoesNot: string[] }> = {
  monitor: {
    agentAnswers: ['primary-healthy', 'go', 'go'],
    agentDoesNot: ['primary-healthy', 'go', 'isolated'],
  },
  webhook: {
    agentAnswers: ['primary-healthy', 'go', 'go'],
    agentDoesNot: ['primary-healthy', 'go', 'go'],
  },
  operator: {
    agentAnswers: ['primary-healthy', 'go', 'go'],
    agentDoesNot: ['primary-healthy', 'go', 'go'],
  },
};

/** Milliseconds: enough for an answer on a busy machine. */
const DEADLINE = 1_000;

const TOKENS = { peer: 'p'.repeat(32), admin: 'a'.repeat(32), webhook: 'w'.repeat(32) };

describe('every cell of it, with real sockets', () => {
  const releases: (() => Promise<unknown>)[] = [];
  const urls: Record<'agent' | 'app' | 'witness', Record<Way, string>> = {} as never;
  let healthy: string;
  let outside: string;
  let primary: FakeNode;
  let standby: FakeNode;

  const listen = async (server: Server): Promise<string> => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    releases.push(() => new Promise((resolve) => server.close(resolve)));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  };
  const answering = (status: number) =>
    listen(createServer((_, response) => response.writeHead(status).end()));
  const hanging = async () => {
    const sockets = new Set<Socket>();
    const url = await listen(createTcpServer((socket) => sockets.add(socket)));
    releases.push(async () => {
      for (const socket of sockets) socket.destroy();
    });
    return url;
  };

  beforeAll(async () => {
    primary = await createFakeNode('primary');
    primary.app.runs = false;
    standby = await createFakeNode('standby');
    const server: HttpServer = await serveHttp(
      createApp({ node: primary.node, tokens: TOKENS, metrics: createMetrics(primary.node) }),
      {
        host: '127.0.0.1',
        port: 0,
      },
    );
    const mute = await silentPort();
    const refusing = await listen(createTcpServer());
    await releases.pop()?.();
    const noAnswer = {
      refuses: refusing,
      silent: `http://127.0.0.1:${mute.port}/`,
      hangs: await hanging(),
    };
    urls.agent = { answers: `http://127.0.0.1:${server.port}/`, ...noAnswer };
    urls.app = { answers: await answering(503), ...noAnswer };
    urls.witness = { answers: await answering(502), ...noAnswer };
    healthy = await answering(200);
    outside = await answering(200);
    releases.push(
      () => server.close(),
      () => mute.close(),
      primary.remove,
      standby.remove,
    );
  });
  afterAll(async () => {
    for (const release of releases.reverse()) await release();
  });

  /** What a promote of the standby would do: `go`, or the code of its refusal. */
  const outcome = async (
    agent: string,
    app: string,
    witness: string,
    asker: Asker,
  ): Promise<string> => {
    const settings = {
      ...standby.node.settings,
      primaryCheckUrl: app,
      witnessUrl: witness,
      checkTimeout: DEADLINE,
      witnessTimeout: DEADLINE,
    };
    const peer = createHttpPeer({
      url: agent,
      token: TOKENS.peer,
      node: 'vcl3',
      epoch: () => 1,
      onEpoch: async () => {},
      statusTimeout: DEADLINE,
    });
    const node = {
      ...standby.node,
      settings,
      peer,
      probe: createHttpProbe(),
      peerView: { ...standby.node.peerView },
    };
    const command = { force: false, planned: false, dryRun: false, reason: '' };
    try {
      const steps = unrecorded(60_000);
      await verifyOutage(node, steps, command, asker, undefined);
      return 'go';
    } catch (error) {
      return error instanceof ColdspareError ? error.code : String(error);
    }
  };

  describe.each(ASKERS)('asked by the %s', (asker) => {
    test.each(WAYS)('the agent %s', async (agent) => {
      const [serves, fails, mute] =
        EXPECTED[asker][agent === 'answers' ? 'agentAnswers' : 'agentDoesNot'];
      const cells = WAYS.flatMap((app) => [
        { app, witness: 'answers 200', url: outside, expected: serves },
        ...WAYS.map((witness) => ({
          app,
          witness,
          url: urls.witness[witness],
          expected: witness === 'answers' ? fails : mute,
        })),
      ]);
      const seen = await Promise.all(
        cells.map(
          async ({ app, witness, url }) =>
            `app ${app}, witness ${witness}: ${await outcome(urls.agent[agent], urls.app[app], url, asker)}`,
        ),
      );
      expect(seen).toEqual(
        cells.map(({ app, witness, expected }) => `app ${app}, witness ${witness}: ${expected}`),
      );
    });

    test('the app answers us: refused, whatever else is silent', async () => {
      const seen = WAYS.map((way) => outcome(urls.agent[way], healthy, urls.witness[way], asker));
      expect(new Set(await Promise.all(seen))).toEqual(new Set(['primary-healthy']));
    });

    test('the agent says that its app serves: refused, though our way to the app is cut', async () => {
      primary.app.runs = true;
      const seen = WAYS.map((way) =>
        outcome(urls.agent.answers, urls.app[way], urls.witness[way], asker),
      );
      expect(new Set(await Promise.all(seen))).toEqual(new Set(['primary-healthy']));
      primary.app.runs = false;
    });
  });
});
