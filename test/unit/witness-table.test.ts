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
import { noteProven } from '../../src/state/baseline.js';
import { NodeState } from '../../src/state/node-state.js';
import { createFakeNode, type FakeNode } from '../support/fake-node.js';
import { MemoryDisk } from '../support/memory-disk.js';
import { silentPort } from '../support/silent-port.js';

const ASKERS: Asker[] = ['monitor', 'webhook', 'operator'];

describe('the table of decisions', () => {
  const situations: Situation[] = (
    ['serving', 'busy', 'fails-alike', 'blind', 'idle', 'unreachable'] as const
  ).flatMap((agent) =>
    (['healthy', 'down', 'unproven', 'unwatched'] as const).flatMap((app) =>
      (['serves', 'fails', 'mute', 'unfit', 'unset'] as const).flatMap((witness) =>
        ASKERS.map((asker) => ({ agent, app, witness, asker })),
      ),
    ),
  );

  test('decides every situation, and needs each of its rows', () => {
    const used = new Set(situations.map(decide));
    expect(situations).toHaveLength(360);
    expect(used).toEqual(new Set(DECISIONS));
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
 * its app is down and the app answers 503. Columns: the witness answers 200, answers 502, does not answer. All of them
 * have proven themselves before. A peer that says that it does not serve can be fenced, whatever the witness sees (H52).
 */
const EXPECTED: Record<Asker, { agentAnswers: string[]; agentDoesNot: string[] }> = {
  monitor: {
    agentAnswers: ['go', 'go', 'go'],
    agentDoesNot: ['primary-healthy', 'go', 'isolated'],
  },
  webhook: {
    agentAnswers: ['go', 'go', 'go'],
    agentDoesNot: ['primary-healthy', 'go', 'go'],
  },
  operator: {
    agentAnswers: ['go', 'go', 'go'],
    agentDoesNot: ['primary-healthy', 'go', 'go'],
  },
};

/** Milliseconds for whoever never answers, and for whoever does, on a busy machine. */
const DEADLINE = 300;
const PATIENCE = 20_000;

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

  const deadlineFor = (url: string): number =>
    [urls.agent, urls.app, urls.witness].some(
      ({ silent, hangs }) => url === silent || url === hangs,
    )
      ? DEADLINE
      : PATIENCE;

  /** What a promote of the standby would do: `go`, or the code of its refusal. */
  const outcome = async (
    agent: string,
    app: string,
    witness: string,
    asker: Asker,
    proven = true,
  ): Promise<string> => {
    const settings = {
      ...standby.node.settings,
      primaryCheckUrl: app,
      witnessUrl: witness,
      checkTimeout: deadlineFor(app),
      // Its agent has been running for long.
      aloneGrace: 0,
      witnessTimeout: deadlineFor(witness),
    };
    const peer = createHttpPeer({
      instance: 'of-the-tests',
      url: agent,
      token: TOKENS.peer,
      node: 'vcl3',
      epoch: () => 1,
      onEpoch: async () => {},
      statusTimeout: deadlineFor(agent),
    });
    const state = await NodeState.open(new MemoryDisk(), '/state', 'standby', Date.now);
    for (const check of ['PRIMARY_CHECK_URL', 'WITNESS_URL'] as const)
      if (proven) await noteProven({ state, settings }, check, true);
    const node = {
      ...standby.node,
      settings,
      state,
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

  describe('checks that have never said yes (H39, H52)', () => {
    test.each<[agent: Way, app: Way, witness: string, asker: Asker, outcome: string]>([
      // Only the agent is known to be gone: its app may serve.
      ['refuses', 'refuses', 'answers 403', 'monitor', 'outage-unproven'],
      ['refuses', 'answers', 'silent', 'monitor', 'outage-unproven'],
      ['refuses', 'silent', 'refuses', 'monitor', 'outage-unproven'],
      ['silent', 'refuses', 'answers 301', 'monitor', 'outage-unproven'],
      ['hangs', 'silent', 'answers 502', 'monitor', 'outage-unproven'],
      // Nothing of the machine answers.
      ['silent', 'silent', 'answers 403', 'monitor', 'go'],
      ['silent', 'silent', 'silent', 'monitor', 'go'],
      // Somebody else has seen the outage.
      ['refuses', 'refuses', 'answers 403', 'webhook', 'go'],
      ['refuses', 'refuses', 'silent', 'operator', 'go'],
      // It says so itself.
      ['answers', 'refuses', 'answers 403', 'monitor', 'go'],
      ['answers', 'answers', 'answers 200', 'monitor', 'go'],
      // A yes is a yes.
      ['silent', 'silent', 'answers 200', 'monitor', 'primary-healthy'],
    ])(
      'agent %s, app %s, witness %s, asked by the %s: %s',
      async (agent, app, witness, asker, expected) => {
        const [, status] = witness.split(' ');
        const url =
          status === undefined ? urls.witness[witness as Way] : await answering(Number(status));
        expect(await outcome(urls.agent[agent], urls.app[app], url, asker, false)).toBe(expected);
      },
    );
  });
});
