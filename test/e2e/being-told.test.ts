import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Authority, createAuthority } from '../support/certificates.js';
import {
  type MailServer,
  type Service,
  startDiscord,
  startMailServer,
  startNtfy,
  startProgram,
  startSlack,
} from '../support/channels.js';
import { eventually, type Pair, serves, startPair, TOKENS } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';

describePostgres('the people who own the data are told', () => {
  let authority: Authority;
  let services: { program: Service; slack: Service; discord: Service; ntfy: Service };
  let mail: MailServer;
  let pair: Pair;

  beforeEach(async () => {
    authority = await createAuthority();
    const { key, cert, ca } = authority.files('vcl3');
    const [program, slack, discord, ntfy] = await Promise.all([
      startProgram(),
      startSlack(),
      startDiscord(),
      startNtfy(),
    ]);
    services = { program, slack, discord, ntfy };
    mail = await startMailServer({
      key: await readFile(key),
      cert: await readFile(cert),
      authOptional: false,
    });
    const urls = [
      `http://user:secret-of-program@${program.host}/`,
      `slack+http://${slack.host}/services/T000/B000/secret-of-slack`,
      `discord+http://${discord.host}/api/webhooks/123/secret-of-discord`,
      `ntfy+http://:tk_secret-of-ntfy@${ntfy.host}/shop-alarms`,
      `smtp://user:secret%20of%20mail@${mail.host}/?to=ops@example.com&from=db@example.com`,
    ];
    pair = await startPair({
      env: {
        NOTIFY_URLS: urls.join(','),
        NODE_EXTRA_CA_CERTS: ca,
        // A busy machine is no lost peer.
        CHECK_TIMEOUT: '5s',
        FAIL_THRESHOLD: '10',
      },
      vcl3: { MONITOR: 'on' },
    });
  });
  afterEach(async () => {
    await pair?.remove();
    await mail?.close();
    await Promise.all(Object.values(services ?? {}).map((service) => service.close()));
    await authority.remove();
  });

  /** Who said what, on the channel that takes everything as it is. */
  const said = () =>
    services.program.received.map(({ body }) => {
      const { node, event, over } = body as { node: string; event: string; over?: true };
      return `${node} ${event}${over === true ? ' over' : ''}`;
    });
  const saidEverywhere = (title: string) =>
    eventually(`"${title}" is everywhere`, async () =>
      [services.discord, services.ntfy, mail].every(({ received }) =>
        received.some((message) => JSON.stringify(message).replaceAll('\\', '').includes(title)),
      ),
    );

  test('of a pause that ends over a lost primary, and of the takeover: once each, on every channel that listens', async () => {
    const { vcl2, vcl3 } = pair;
    await vcl2.write('an order');
    const { result } = await vcl2.do('/backups');
    // Slack takes connections and answers nothing, for as long as this lasts.
    for (let count = 0; count < 1_000; count += 1) services.slack.next.push({ status: -1 });

    const paused = await vcl3.agent.post<{ until: string }>('/pause', {
      minutes: 0.4,
      reason: 'deploy',
    });
    const lostAt = new Date().toISOString();
    await vcl2.losePower();
    await saidEverywhere('[warning] vcl3: peer-lost');
    const body = { event: 'down', monitor: 'shop' };
    const webhook = await vcl3.agent.call('POST', '/webhooks/generic', {
      token: TOKENS.webhook,
      body,
    });
    expect(webhook).toMatchObject({ status: 200, body: { ignored: true } });

    // Neither the pause nor what was said is forgotten.
    await vcl3.agent.kill();
    await vcl3.agent.start();
    expect(await vcl3.agent.status()).toMatchObject({ mode: 'standby', pause: paused.body });
    const begun = (await vcl3.agent.operations()).filter(
      ({ kind, startedAt }) => kind === 'promote' && startedAt >= lostAt,
    );
    expect(begun).toEqual([]);

    await serves(vcl3);
    const [promote] = (await vcl3.agent.operations()).filter(({ kind }) => kind === 'promote');
    expect(promote).toMatchObject({
      source: 'monitor',
      state: 'done',
      result: { backup: result?.backup },
    });
    expect(Date.parse(promote?.startedAt ?? '')).toBeGreaterThanOrEqual(
      Date.parse(paused.body.until),
    );
    expect((await vcl3.agent.status()).pause).toBeNull();
    await saidEverywhere('[warning] vcl3: pause-ended');
    await saidEverywhere('[critical] vcl3: promoted');
    expect(said()).toEqual(['vcl3 peer-lost', 'vcl3 pause-ended', 'vcl3 promoted']);
    expect(services.program.received.at(-1)?.body).toMatchObject({
      message: expect.stringMatching(/what was written after .* is lost/),
      remedy: `GET /operations/${promote?.id}`,
    });
    expect(mail.received[0]).toMatchObject({ user: 'user', to: ['ops@example.com'] });

    // The machine comes back, stands down, and its agent says so; the other one says that it is back.
    await vcl2.agent.start();
    await saidEverywhere('[over] vcl3: peer-lost');
    await eventually('VCL2 has told where its database is', async () =>
      said().includes('vcl2 superseded'),
    );
    expect(said().filter((line) => line === 'vcl3 peer-lost over')).toHaveLength(1);

    const readLogs = () =>
      Promise.all(
        [vcl2, vcl3].map((machine) => readFile(join(machine.directory, 'agent.log'), 'utf8')),
      );
    await eventually('the deaf channel is noted', async () =>
      (await readLogs()).join().includes('it is tried again'),
    );
    const logs = await readLogs();
    for (const secret of ['secret-of', 'secret of', 'secret%20of', 'shop-alarms'])
      expect(logs.join()).not.toContain(secret);
  });

  test('of a backup that fails, of one that is refused, of an app that somebody starts, and of each end', async () => {
    const { vcl2, vcl3 } = pair;
    await vcl2.do('/backups');

    await vcl2.inject([{ label: 'backup.dump', moment: 'before', action: 'fail' }]);
    await vcl2.run('/backups');
    await eventually('the failed backup is told', async () =>
      said().includes('vcl2 backup-failed'),
    );
    await vcl2.do('/backups');
    await eventually('its end is told', async () => said().includes('vcl2 backup-failed over'));

    await vcl3.agent.stop();
    await vcl3.agent.start({ BACKUP_MAX_BYTES: '10' });
    await vcl2.run('/backups');
    await eventually('the refused push is told', async () => said().includes('vcl2 push-failed'));
    await vcl3.agent.stop();
    await vcl3.agent.start();
    await vcl2.do('/backups');
    await eventually('its end is told', async () => said().includes('vcl2 push-failed over'));

    const startByOthers = async () => {
      await vcl3.database.start();
      await vcl3.startAppByOthers();
    };
    await vcl3.database.start();
    await vcl3.database.psql('CREATE DATABASE ledger');
    await startByOthers();
    await eventually('the app is stopped, and that is told', async () =>
      said().includes('vcl3 app-stopped'),
    );
    await eventually('VCL3 has nothing to do', async () => {
      const { operation } = await vcl3.agent.status();
      return operation === null;
    });
    await startByOthers();
    await eventually('it is stopped again', async () => {
      const boots = (await vcl3.agent.operations()).filter(
        ({ kind, reason, state }) =>
          kind === 'boot' && state === 'done' && reason.includes('somebody else'),
      );
      return boots.length === 2;
    });

    const once = said().filter((line) => !line.includes('peer-lost'));
    expect(once).toEqual([
      'vcl2 backup-failed',
      'vcl2 backup-failed over',
      'vcl2 push-failed',
      'vcl2 push-failed over',
      'vcl3 app-stopped',
    ]);
    const told = (event: string) =>
      services.program.received.find(({ body }) => (body as { event: string }).event === event)
        ?.body;
    expect(told('backup-failed')).toMatchObject({
      severity: 'critical',
      message: expect.stringMatching(/^vcl2 could not take a backup: injected.*_backup_.*\)$/),
      remedy: expect.stringMatching(/POST \/backups on vcl2$/),
    });
    expect(told('push-failed')).toMatchObject({
      message: expect.stringContaining('BACKUP_MAX_BYTES'),
    });
  });
});
