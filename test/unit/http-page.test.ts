import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { NodeStatus } from '../../src/domain/status.js';
import { plot } from '../../src/http/page/plot.js';
import { sayAge } from '../../src/http/page/words.js';
import { DUMP, manifestOf, type Service, startService, TOKENS } from '../support/http.js';
import { facts, NOW } from '../support/page-facts.js';

let standby: Service;
beforeEach(async () => {
  standby = await startService('standby');
});
afterEach(() => standby.close());

const admin = 'admin' as const;
const ATTACK = `<img src=x onerror=alert(1)>"'&`;

const page = async (client?: 'admin'): Promise<string> => {
  const path = client === undefined ? '/' : '/details';
  const { status, body } = await standby.ask('GET', path, client && { client });
  expect(status).toBe(200);
  return body;
};

/** What the peer says, believed as far as http-peer.ts checks it. */
const hearPeer = (answer: object): void => {
  const value = answer as NodeStatus;
  const at = standby.node.clock.now();
  standby.node.peerView.last = { value, at };
  standby.node.peerView.answer = { value, at };
};

const PEER = {
  ...{ node: 'vcl2', role: 'primary', mode: 'primary', epoch: 1, serving: true, problems: [] },
  latestBackup: { id: 'ledger_1', ageSeconds: 60, bytes: 5, proof: null },
};

const backUp = async () => {
  const manifest = manifestOf(DUMP);
  await standby.ask('PUT', `/backups/${manifest.id}`, { client: 'peer', body: DUMP });
  const path = `/backups/${manifest.id}/commit`;
  expect((await standby.ask('POST', path, { client: 'peer', body: manifest })).status).toBe(201);
  return manifest.id;
};

describe('what others write', () => {
  test('a reason, an error and everything that the peer says stays text', async () => {
    await standby.ask('POST', '/pause', { client: admin, body: { reason: ATTACK } });
    await standby.ask('POST', '/promote', {
      client: admin,
      headers: { Prefer: 'wait=10' },
      body: { reason: ATTACK, force: true },
    });
    hearPeer({
      ...PEER,
      ...{ node: ATTACK, lineage: ATTACK, alone: ATTACK, since: ATTACK },
      app: { answers: true, detail: ATTACK },
      problems: [ATTACK, 'backup-stale'],
      push: { error: ATTACK },
      operation: { kind: ATTACK, steps: [{ name: ATTACK }] },
      latestBackup: { id: ATTACK, ageSeconds: 60, bytes: 5, proof: { at: ATTACK, error: ATTACK } },
      pause: { until: ATTACK, reason: ATTACK },
      lastDrill: { at: ATTACK, passed: true, error: ATTACK, takeOverSeconds: ATTACK },
    });
    for (const body of [await page(), await page(admin)]) {
      expect(body).not.toMatch(/<img|onerror=alert\(1\)>"/);
      expect(body).toContain('&lt;img src=x');
    }
    expect((await page(admin)).split('&lt;img src=x').length).toBeGreaterThan(5);
  });

  test('of a standby that streams, what a takeover would use', async () => {
    const replication = { state: 'streaming', line: 'replica', behindBytes: 18_000 };
    hearPeer({ ...PEER, role: 'standby', mode: 'standby', serving: false, replication });
    expect(await page()).toContain('streaming, 18.0 kB behind: a takeover would use it');
    hearPeer({ ...PEER, mode: 'standby', replication: { state: ATTACK } });
    expect(await page()).not.toContain('Replica');
  });

  test('a node that is silent says why in text', async () => {
    standby.node.peerView.last = { value: { error: ATTACK }, at: 0 };
    const body = await page(admin);
    expect(body).toContain('The other server does not answer.');
    expect(body).toContain('&lt;img src=x');
    expect(body).not.toContain('<img');
  });

  test.each([
    ['nothing that we know', {}],
    ['other types', { ...PEER, node: 5, serving: 'yes', epoch: [] }],
    ['another version', { node: 'vcl2', mode: 'primary', epoch: 1, serving: true }],
    ['nonsense in every part', { ...PEER, app: 1, latestBackup: 'x', problems: {}, pause: [] }],
  ])('a peer that says %s does not take the page down', async (_what, answer) => {
    hearPeer(answer);
    expect(await page()).toContain('<h2>Servers</h2>');
    expect(await page(admin)).not.toContain('undefined');
  });
});

describe('what is shown to whom', () => {
  test('without the key: no address, path, reason, error, id or name of the database', async () => {
    const id = await backUp();
    hearPeer({ ...PEER, lineage: 'a-lineage', app: { answers: true, detail: 'a-detail' } });
    await standby.ask('POST', '/pause', { client: admin, body: { reason: 'a-reason' } });
    await standby.ask('POST', '/promote', {
      client: admin,
      headers: { Prefer: 'wait=10' },
      body: { reason: 'because of that', force: true },
    });
    const keyed = await page(admin);
    const open = await page();
    const secrets = ['a-lineage', 'a-detail', 'a-reason', 'because of that', 'vcl2.invalid', id];
    for (const secret of secrets) {
      expect(keyed).toContain(secret);
      expect(open).not.toContain(secret);
    }
    expect(open).not.toMatch(/ledger|lineage/i);
    expect(open).not.toContain(standby.directory);
    for (const key of Object.values(TOKENS)) expect(keyed).not.toContain(key);
    // What everybody may know is the same.
    for (const fact of ['promote', 'commit-role', '✓</span> done', 'Paused until'])
      expect(open).toContain(fact);
  });

  test('an error comes with its remedy for who has the key, and as a code for all', async () => {
    const headers = { Prefer: 'wait=10' };
    await standby.ask('POST', '/promote', { client: admin, headers });
    expect(await page()).toContain('refused: no-backup');
    expect(await page()).not.toContain('adopt a dump');
    expect(await page(admin)).toMatch(/<b>What to do:<\/b> start the old primary, or adopt a dump/);
  });
});

test('nothing may run, load or frame but what the agent serves itself', async () => {
  const { headers, body } = await standby.ask('GET', '/');
  const [, style = ''] = /<style>([\s\S]*?)<\/style>/.exec(body) ?? [];
  const hash = createHash('sha256').update(style).digest('base64');
  expect(headers.get('content-security-policy')).toBe(
    `default-src 'none'; script-src 'self'; style-src 'sha256-${hash}'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  );
  expect(headers.get('cache-control')).toBe('no-store');
  expect(body).not.toMatch(/ style="| on\w+="/);
  const sources = [...body.matchAll(/ (?:src|href)="([^"]*)"/g)].map(([, url = '']) => url);
  expect(sources.filter((url) => !/^(#|\/|data:)/.test(url))).toEqual([]);
  for (const path of sources.filter((url) => url.startsWith('/'))) {
    const script = await standby.ask('GET', path);
    expect(script.headers.get('content-type')).toBe('text/javascript; charset=utf-8');
    for (const [, name] of script.body.matchAll(/from '\.\/([\w.]+)'/g))
      expect((await standby.ask('GET', `/page/${name}`)).status).toBe(200);
  }
});

describe('live', () => {
  const watch = async (path = '/', headers = {}) => {
    const response = await fetch(`${standby.url}${path}`, {
      headers: { Accept: 'text/event-stream', ...headers },
    });
    const reader = (response.body as ReadableStream)
      .pipeThrough(new TextDecoderStream())
      .getReader();
    let text = '';
    return {
      /** Everything up to the first match. */
      until: async (pattern: RegExp): Promise<string> => {
        while (!pattern.test(text)) {
          const { done, value } = await reader.read();
          if (done) throw new Error(`it ended before ${pattern}: ${text}`);
          text += value;
        }
        const all = text;
        text = '';
        return all;
      },
      rest: async (): Promise<string> => {
        for (;;) {
          const { done, value } = await reader.read();
          if (done) return text;
          text += value;
        }
      },
      leave: () => reader.cancel(),
    };
  };

  test('a watcher is told all of it once, and from then on what has changed', async () => {
    const watcher = await watch();
    const first = await watcher.until(/"id":"history"[^\n]*\n\n/);
    expect(first.match(/event: section/g)).toHaveLength(7);
    await standby.ask('POST', '/pause', { client: admin, body: { reason: 'a-reason' } });
    const second = await watcher.until(/"id":"actions"[^\n]*\n\n/);
    expect(second).toContain('Paused until');
    expect(second).not.toContain('"id":"history"');
    expect(second).not.toContain('a-reason');
    await watcher.leave();
  });

  test('the details need the key', async () => {
    const Authorization = `Bearer ${TOKENS.admin}`;
    const watcher = await watch('/details', { Authorization });
    await standby.ask('POST', '/pause', { client: admin, body: { reason: 'a-reason' } });
    await watcher.until(/a-reason/);
    await watcher.leave();
    expect((await standby.ask('GET', '/details')).status).toBe(401);
    expect((await standby.ask('GET', '/details', { client: 'peer' })).status).toBe(403);
  });

  test('one watcher too many is told how things are, and when to come back; the operator still gets in', async () => {
    const watchers = await Promise.all(Array.from({ length: 16 }, () => watch()));
    for (const watcher of watchers) await watcher.until(/"id":"history"/);
    const told = await (await watch()).rest();
    expect(told.match(/event: section/g)).toHaveLength(7);
    expect(told).toContain('retry: 5000');
    const operator = await watch('/details', { Authorization: `Bearer ${TOKENS.admin}` });
    await operator.until(/"id":"history"/);
    for (const watcher of [...watchers, operator]) await watcher.leave();
  });

  test('an agent that stops ends the streams, and is not held up by them', async () => {
    const watcher = await watch();
    await watcher.until(/"id":"history"/);
    const other = await startService('primary');
    const response = await fetch(other.url, { headers: { Accept: 'text/event-stream' } });
    const ended = response.text();
    await other.close();
    // To its end, and not cut: that would reject.
    expect(await ended).toContain('"id":"history"');
    await watcher.leave();
  });
});

describe('words', () => {
  test.each([
    [0, 'less than a minute'],
    [60, '1 minute'],
    [245, '4 minutes'],
    [7_199, '119 minutes'],
    [7_200, '2 hours'],
    [86_400 * 3, '3 days'],
  ])('%i seconds are %s', (seconds, words) => expect(sayAge(seconds)).toBe(words));
});

describe('the plot', () => {
  const backup = (secondsAgo: number, bytes = 1_000) => ({
    ...{ id: 'x', isKept: true, proof: null, bytes, ageSeconds: secondsAgo },
    takenAt: NOW - secondsAgo * 1_000,
  });

  test.each([
    ['of one moment', [backup(0), backup(0)]],
    ['from the future, by the clock of the other server', [backup(-60), backup(60)]],
    ['with nothing in them', [backup(60, 0), backup(120, 0)]],
  ])('can be drawn of backups %s', (_name, backups) => {
    expect(String(plot(facts({ backups })))).not.toMatch(/NaN|Infinity|undefined/);
  });

  test('shows the limit only when a backup came near it', () => {
    const drawn = (secondsAgo: number) =>
      String(plot(facts({ backups: [backup(secondsAgo), backup(10)] })));
    expect(drawn(600)).not.toContain('class="limit"');
    expect(drawn(7_000)).toContain('class="limit"');
    expect(drawn(7_000)).toContain('Dashed: BACKUP_MAX_AGE, 2 h');
  });
});
