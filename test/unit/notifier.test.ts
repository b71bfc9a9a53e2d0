import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { eventually } from '../../scripts/lib/agent-process.js';
import { parseNotifyUrl } from '../../src/domain/notify-url.js';
import type { Patience } from '../../src/drivers/notify/delivery.js';
import { createNotifier } from '../../src/drivers/notify/notifier.js';
import { createPinoLog } from '../../src/drivers/pino-log.js';
import { createSystemClock } from '../../src/drivers/system-clock.js';
import type { Announcement } from '../../src/ports/notifier.js';
import {
  type MailServer,
  type Service,
  startDiscord,
  startMailServer,
  startNtfy,
  startProgram,
  startSlack,
} from '../support/channels.js';
import { silentPort } from '../support/silent-port.js';

let program: Service;
let slack: Service;
let discord: Service;
let ntfy: Service;
let mail: MailServer;
let lines: string[];

beforeEach(async () => {
  lines = [];
  [program, slack, discord, ntfy, mail] = await Promise.all([
    startProgram(),
    startSlack(),
    startDiscord(),
    startNtfy(),
    startMailServer(),
  ]);
});
afterEach(async () => {
  await Promise.all([program, slack, discord, ntfy, mail].map((service) => service.close()));
});

const urls = () => ({
  json: `http://user:p%40ss@${program.host}/hooks/path-key?key=query-key`,
  slack: `slack+http://${slack.host}/services/T000/B000/secret-of-slack`,
  discord: `discord+http://${discord.host}/api/webhooks/123/secret-of-discord`,
  ntfy: `ntfy+http://:tk_secret-of-ntfy@${ntfy.host}/shop-alarms`,
  mail: `smtp://${mail.host}/?to=ops+db@example.com&to=boss@example.com&from=vcl3@example.com`,
});
const SECRETS = ['user', 'p@ss', 'p%40ss', 'path-key', 'query-key', 'secret-of', 'secret of'];

const notifying = (entries: string[], patience: Partial<Patience> = {}) =>
  createNotifier({
    urls: entries.map(parseNotifyUrl),
    node: 'vcl3',
    clock: createSystemClock(),
    log: createPinoLog('info', 'vcl3', { write: (line) => void lines.push(line) }),
    patience: { firstPause: 10, longestPause: 50, giveUpAfter: 60_000, ...patience },
  });
const announcement: Announcement = {
  event: 'promoted',
  severity: 'critical',
  message: 'vcl3 is the primary; <!channel> @everyone a_b_c & größer *than* 5 > 4',
  remedy: 'GET /operations/x_promote_y',
};
const logged = (text: string) =>
  eventually(`the log says "${text}"`, async () => lines.some((line) => line.includes(text)));
const arrived = (service: { received: unknown[] }, count = 1) =>
  eventually('it arrived', async () => service.received.length >= count);

describe('each kind of channel gets what its service understands', () => {
  test('generic JSON: everything, with who says it and when, and the credentials in their header', async () => {
    notifying([urls().json]).announce({ ...announcement, data: { some: 'thing' } });
    await arrived(program);
    const [request] = program.received;
    expect(request?.path).toBe('/hooks/path-key?key=query-key');
    expect(request?.headers.authorization).toBe(
      `Basic ${Buffer.from('user:p@ss').toString('base64')}`,
    );
    const at = expect.stringMatching(/^20.*Z$/);
    expect(request?.body).toEqual({ node: 'vcl3', at, ...announcement, data: { some: 'thing' } });
  });

  test('Slack: escaped, so that nobody is woken by what somebody gave as a reason', async () => {
    notifying([urls().slack]).announce(announcement);
    await arrived(slack);
    expect(slack.received[0]?.body).toMatchObject({
      text: '*[critical] vcl3: promoted*\nvcl3 is the primary; &lt;!channel&gt; @everyone a_b_c &amp; größer *than* 5 &gt; 4\nNext: GET /operations/x_promote_y',
    });
  });

  test('Discord: as it was written, and without mentions', async () => {
    notifying([urls().discord]).announce(announcement);
    await arrived(discord);
    expect(discord.received[0]).toMatchObject({
      path: '/api/webhooks/123/secret-of-discord?wait=true',
      body: {
        content:
          '**\\[critical\\] vcl3: promoted**\nvcl3 is the primary; \\<!channel\\> @everyone a\\_b\\_c & größer \\*than\\* 5 \\> 4\nNext: GET /operations/x\\_promote\\_y',
        allowed_mentions: { parse: [] },
      },
    });
  });

  test('ntfy: at its root, with a title, a priority and a picture, whatever the characters', async () => {
    notifying([urls().ntfy]).announce(announcement);
    await arrived(ntfy);
    expect(ntfy.received[0]).toMatchObject({
      path: '/',
      body: {
        topic: 'shop-alarms',
        title: '[critical] vcl3: promoted',
        message:
          'vcl3 is the primary; <!channel> @everyone a_b_c & größer *than* 5 > 4\nNext: GET /operations/x_promote_y',
        priority: 5,
        tags: ['rotating_light', 'promoted'],
      },
    });
  });

  test('e-mail: to everybody, and no machine answers it', async () => {
    notifying([urls().mail]).announce({
      ...announcement,
      message: 'größer\r\nBcc: all@example.com',
    });
    await arrived(mail);
    const [{ from, to, raw } = { from: '', to: [], raw: '' }] = mail.received;
    expect({ from, to }).toEqual({
      from: 'vcl3@example.com',
      to: ['ops+db@example.com', 'boss@example.com'],
    });
    const head = raw.slice(0, raw.indexOf('\r\n\r\n'));
    expect(head).toContain('Subject: [critical] vcl3: promoted');
    expect(head).toContain('Auto-Submitted: auto-generated');
    expect(head).not.toContain('Bcc');
    expect(raw).toContain('Next: GET /operations/x_promote_y');
  });

  test('the end of an incident says so', async () => {
    notifying([urls().ntfy, urls().json]).announce({
      ...{ event: 'peer-lost', severity: 'info', over: true, message: 'vcl2 answers again' },
    });
    await Promise.all([arrived(ntfy), arrived(program)]);
    expect(ntfy.received[0]?.body).toMatchObject({ title: '[over] vcl3: peer-lost', priority: 3 });
    expect(program.received[0]?.body).toMatchObject({ event: 'peer-lost', over: true });
  });

  test.each(['x', '_', '<', '😀'])(
    'a message too long in "%s" is cut, its remedy is not',
    async (character) => {
      const { slack: s, discord: d, ntfy: n } = urls();
      const message = character.repeat(50_000);
      notifying([s, d, n]).announce({ ...announcement, message });
      await Promise.all([arrived(slack), arrived(discord), arrived(ntfy)]);
      const text = (slack.received[0] as { body: { text: string } }).body.text;
      const content = (discord.received[0] as { body: { content: string } }).body.content;
      const note = (ntfy.received[0] as { body: { message: string } }).body.message;
      for (const written of [text, content, note]) {
        // No character is cut in two.
        expect(() => encodeURIComponent(written)).not.toThrow();
        expect(written.replaceAll('\\', '')).toMatch(/…\nNext: GET \/operations\/x_promote_y$/);
      }
      expect(text.length).toBeGreaterThan(3_000);
      // Taken by services that refuse what is too long.
      expect(lines.filter((line) => line.includes('not delivered'))).toEqual([]);
    },
  );
});

describe('a channel that does not take it', () => {
  test('is asked again with growing pauses, and gets it once it is back', async () => {
    program.next.push({ status: 500 }, { status: 503 }, { status: 408 });
    notifying([urls().json]).announce(announcement);
    await arrived(program, 4);
    await logged('it is tried again');
    expect(lines.filter((line) => line.includes('not delivered'))).toHaveLength(1);
  });

  test.each(['1', '0.9', () => new Date(Date.now() + 2_000).toUTCString()])(
    'says 429 and when to come back (%s): not earlier',
    async (value) => {
      const retryAfter = typeof value === 'string' ? value : value();
      slack.next.push({ status: 429, headers: { 'Retry-After': retryAfter } });
      notifying([urls().slack]).announce(announcement);
      await arrived(slack, 2);
      const [first, second] = slack.received;
      expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThan(800);
    },
  );

  test.each([301, 400, 401, 403, 404, 410])(
    'says %i: refused for good, said in the log once, and nothing of the URL in it',
    async (status) => {
      program.next.push({ status, headers: { Location: `http://${slack.host}/` } });
      notifying([urls().json]).announce(announcement);
      await logged('the channel refuses it');
      expect(lines.at(-1)).toContain(`"json ${program.host}"`);
      expect(lines.at(-1)).toContain(`HTTP ${status}`);
      expect(program.received).toHaveLength(1);
      expect(slack.received).toEqual([]);
    },
  );

  test('holds up no other channel', async () => {
    const silent = await silentPort();
    for (let count = 0; count < 100; count += 1) slack.next.push({ status: -1 });
    const deaf = notifying(
      [
        `http://127.0.0.1:${silent.port}/`,
        `smtp://127.0.0.1:${silent.port}/?to=a@example.com&from=b@example.com`,
        'http://127.0.0.1:1/',
        urls().slack,
        urls().json,
      ],
      { giveUpAfter: 500, timeout: 200 },
    );
    deaf.announce(announcement);
    deaf.announce(announcement);
    await arrived(program, 2);
    await eventually('each is given up', async () => {
      const given = lines.filter((line) => line.includes('given up'));
      return given.length === 8;
    });
    await silent.close();
  });

  test('keeps a bounded number of messages waiting, the newest ones', async () => {
    program.next.push({ status: 500 });
    const small = notifying([urls().json], { most: 3, firstPause: 300 });
    for (let number = 1; number <= 10; number += 1)
      small.announce({ ...announcement, message: `${number}` });
    await arrived(program, 5);
    expect(program.received.map(({ body }) => (body as Announcement).message)).toEqual(
      // The first was under way already.
      ['1', '1', '8', '9', '10'],
    );
    expect(lines.filter((line) => line.includes('too many are waiting'))).toHaveLength(6);
  });

  test('shows no secret in any log, whichever kind refuses', async () => {
    const wrong = [
      urls().json,
      `slack+http://${slack.host}/services/secret-of-nobody`,
      `discord+http://${discord.host}/api/webhooks/9/secret-of-nobody`,
      `ntfy+http://secret-of-user:secret-of-nobody@${ntfy.host}/secret-of-topic`,
    ];
    program.next.push({ status: 404 });
    notifying(wrong).announce(announcement);
    await eventually('each has refused', async () => {
      const refused = lines.filter((line) => line.includes('refuses it'));
      return refused.length === wrong.length;
    });
    for (const secret of SECRETS) expect(lines.join()).not.toContain(secret);
  });
});

describe('a mail server', () => {
  const mailTo = (host: string, credentials = '') =>
    `smtp://${credentials}${host}/?to=ops@example.com&from=vcl3@example.com`;

  test('that would take the password in the clear does not get it', async () => {
    const plain = await startMailServer({ allowInsecureAuth: true });
    notifying([mailTo(plain.host, 'user:secret%20of%20mail@')]).announce(announcement);
    await logged('refuses it');
    expect(lines.at(-1)).toContain('ETLS');
    expect(plain.received).toEqual([]);
    for (const secret of SECRETS) expect(lines.join()).not.toContain(secret);
    await plain.close();
  });

  test('that signs its own certificate gets mail encrypted, but no password', async () => {
    const local = await startMailServer({ disabledCommands: [] });
    notifying([mailTo(local.host)]).announce(announcement);
    await arrived(local);
    expect(local.received[0]).toMatchObject({ isEncrypted: true });
    const provenOnly = [
      mailTo(local.host, 'user:secret%20of%20mail@'),
      mailTo(local.host).replace('smtp:', 'smtps:'),
    ];
    notifying(provenOnly, { giveUpAfter: 0 }).announce(announcement);
    await eventually('neither is sent', async () => {
      const failed = lines.filter((line) => line.includes('given up'));
      return failed.length === 2;
    });
    expect(local.received).toHaveLength(1);
    for (const secret of SECRETS) expect(lines.join()).not.toContain(secret);
    await local.close();
  });

  test.each([
    [550, 'refuses it'],
    [450, 'it is tried again'],
  ])('that says %i to the recipient: %s', async (responseCode, expected) => {
    let refusals = 0;
    const strict = await startMailServer({
      onRcptTo: (_address, _session, done) => {
        refusals += 1;
        if (refusals > 1) return done();
        done(Object.assign(new Error('ops@example.com is not here'), { responseCode }));
      },
    });
    notifying([mailTo(strict.host)]).announce(announcement);
    await logged(expected);
    expect(lines.join()).toContain(`SMTP ${responseCode}`);
    if (responseCode === 450) await arrived(strict);
    else expect(strict.received).toEqual([]);
    await strict.close();
  });
});

test('the log hides what is named like a secret, and shows errors with their cause', () => {
  const log = createPinoLog('info', 'vcl3', { write: (line) => void lines.push(line) });
  log.warn({ token: 'hidden-1', request: { headers: { authorization: 'hidden-2' } } }, 'seen');
  log.error({ error: new Error('outer', { cause: new Error('inner') }) }, 'failed');
  expect(lines.join()).not.toContain('hidden');
  expect(JSON.parse(lines[1] ?? '')).toMatchObject({
    ...{ level: 'error', node: 'vcl3', msg: 'failed', time: expect.stringMatching(/^20.*Z$/) },
    error: { message: expect.stringContaining('inner'), stack: expect.any(String) },
  });
});
