import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createAlarms } from '../../src/background/alarms.js';
import { parseNotifyUrl } from '../../src/domain/notify-url.js';
import { transportOf } from '../../src/drivers/notify/mail.js';
import { createNotifier } from '../../src/drivers/notify/notifier.js';
import { nodeStatus } from '../../src/status/node-status.js';
import { type Service, startProgram, startSlack } from '../support/channels.js';
import { type Service as Agent, startService } from '../support/http.js';
import { eventually } from '../support/pair.js';

describe('H74: NOTIFY_URLS leads to nobody', () => {
  let node: Agent;
  let gone: Service;
  let slack: Service;
  beforeEach(async () => {
    [node, gone, slack] = await Promise.all([
      startService('primary'),
      startProgram(),
      startSlack(),
    ]);
    node.node.notifier = createNotifier({
      urls: [
        `http://${gone.host}/secret`,
        `slack+http://${slack.host}/services/T000/B000/secret-of-slack`,
      ].map(parseNotifyUrl),
      ...{ node: 'vcl2', clock: node.node.clock, log: node.node.log },
    });
  });
  afterEach(() => Promise.all([node.close(), gone.close(), slack.close()]));

  const problems = () => nodeStatus(node.node).problems;

  test('a channel that answers 404 is a problem by its name, and the other channel is told', async () => {
    const look = createAlarms(node.node);
    expect(problems()).not.toContain('notify-failing');
    gone.next.push({ status: 404 }, { status: 404 });
    node.node.notifier.announce({ event: 'promoted', severity: 'info', message: 'vcl2 serves' });
    await eventually('it is known', async () => problems().includes('notify-failing'));
    const { details } = nodeStatus(node.node);
    expect(details?.['notify-failing']?.because).toBe(`json ${gone.host}: HTTP 404`);
    expect((await node.ask('GET', '/health')).status).toBe(503);
    await look();
    await eventually('Slack says it', async () =>
      slack.received.some(({ body }) => JSON.stringify(body).includes('notify-failing')),
    );
  });

  test('a test message on demand says what came of each channel, and ends the problem', async () => {
    gone.next.push({ status: 404 });
    const failed = await node.ask('POST', '/notify', { client: 'admin' });
    expect(failed).toMatchObject({
      status: 200,
      body: {
        channels: [
          { channel: `json ${gone.host}`, error: 'HTTP 404' },
          { channel: `slack ${slack.host}`, error: null },
        ],
      },
    });
    expect(JSON.stringify(failed.body)).not.toContain('secret');
    expect(problems()).toContain('notify-failing');
    const taken = await node.ask('POST', '/notify', { client: 'admin' });
    expect(taken.body).toMatchObject({ channels: [{ error: null }, { error: null }] });
    expect(gone.received.at(-1)?.body).toMatchObject({ event: 'test', severity: 'info' });
    expect(problems()).not.toContain('notify-failing');
    expect((await node.ask('POST', '/notify', { client: 'webhook' })).status).toBe(403);
  });

  test.each([
    ['smtp://mail.example:465/', true],
    ['smtps://mail.example/', true],
    ['smtps://mail.example:587/', false],
    ['smtp://mail.example:587/', false],
    ['smtp://mail.example/', false],
  ])('%s speaks TLS from the start: %s', (url, secure) => {
    const transport = transportOf(new URL(url));
    expect(transport.secure).toBe(secure);
    // Who asks for encryption gets it, whichever way.
    expect(transport.requireTLS || secure).toBe(url.startsWith('smtps') || secure);
  });
});
