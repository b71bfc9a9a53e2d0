import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { userInfo } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../../scripts/lib/agent-process.js';
import { type BareServer, DeployStage } from '../support/deploy-pair.js';
import { drawnTests, sample } from '../support/sample.js';
import { describeSshd } from '../support/sshd.js';
import { TcpGate } from '../support/tcp-gate.js';

const run = promisify(execFile);

/** A busy machine takes many times what an idle one does. */
const PATIENCE = 240_000;

/** Users are created and services run as them. */
const describeRoot: typeof describeSshd = (name, tests) => {
  if (userInfo().uid === 0) return describeSshd(name, tests);
  if (process.env.CI === 'true') throw new Error(`${name}: only root can run this`);
  console.warn(`SKIPPED ${name}: only root can run this`);
  describe.skip(`${name} (only root can run this)`, tests);
};

/** One pair, from bare machines on; the tests follow each other. */
describeRoot('a pair is deployed over SSH', () => {
  let stage: DeployStage;
  let vcl2: BareServer;
  let vcl3: BareServer;
  beforeAll(async () => {
    stage = await DeployStage.create();
    ({ vcl2, vcl3 } = stage);
  }, PATIENCE);
  afterAll(() => stage?.remove(), PATIENCE);

  /** What a deploy must not touch without need. */
  const running = () => ({
    agents: stage.servers.map((server) => server.pids('main.js')),
    app: vcl2.appPid,
  });
  const secrets = async () =>
    [...(await readFile(stage.secretsFile, 'utf8')).matchAll(/"(\w{64})"/g)].map(
      ([, secret = '']) => secret,
    );

  test(
    'a host key that nobody has pinned is shown and refused; so is another one',
    async () => {
      const before = await stage.tree();
      await stage.writeInventory({}, { hostKey: null });
      const first = await stage.deploy();
      expect(first).toMatchObject({ code: 1 });
      expect(first.said).toContain(`host_key: ${vcl3.sshd.hostKey}`);
      expect(first.said).toContain('Nothing was changed.');

      await stage.writeInventory({}, { hostKey: vcl2.sshd.hostKey });
      const wrong = await stage.deploy();
      expect(wrong).toMatchObject({ code: 1 });
      expect(wrong.said).toContain(`${vcl3.sshd.hostKey}, expected ${vcl2.sshd.hostKey}`);
      expect(await stage.tree()).toEqual(before);
      await stage.writeInventory();
    },
    PATIENCE,
  );

  test(
    'a dry run names every change and makes none',
    async () => {
      const before = await stage.tree();
      const { code, said } = await stage.deploy('--dry-run');
      expect(code).toBe(0);
      for (const change of [
        /^here +keys/m,
        /^vcl2 +user +create/m,
        /^vcl2 +directories/m,
        /^vcl2 +release +upload 0/m,
        /^vcl3 +files .*\n.*NODE_NAME: \(unset\) → vcl3/m,
        /^vcl3 +switch/m,
        /^vcl3 +enable/m,
        /^vcl3 +start +start the agent/m,
        /^vcl3 +command +write .*usr\/local\/bin\/coldspare/m,
        /19 changes, none of them made/,
      ])
        expect(said).toMatch(change);
      expect(await stage.tree()).toEqual(before);
      expect(existsSync(stage.secretsFile)).toBe(false);
    },
    PATIENCE,
  );

  test(
    'a connection that breaks in the middle of the upload: it says where it stands',
    async () => {
      const gate = await TcpGate.to(vcl3.sshd.port);
      try {
        await stage.writeInventory({}, { port: gate.port });
        gate.cut(3_000_000);
        const deploying = stage.deploy();
        const releases = vcl3.path('opt/coldspare/releases');
        await eventually(
          'the upload has begun',
          async () => (await readdir(releases))[0],
          PATIENCE,
        );
        gate.heal();
        const { code, said } = await deploying;
        expect(code).toBe(1);
        expect(said).toContain('Stopped at vcl3, step release');
        expect(said).toContain('run the same command again: it goes on from there');
        expect(said).toContain('both agents run what they ran before');
        const whole = (name: string) => !name.endsWith('.partial');
        expect((await readdir(releases)).filter(whole)).toEqual([]);
        expect(vcl2.pids('main.js')).toEqual([]);
      } finally {
        await gate.close();
        await stage.writeInventory();
      }
    },
    PATIENCE,
  );

  test(
    'the same command goes on from there, and proves that the pair works',
    async () => {
      const { code, said } = await stage.deploy();
      expect(said).not.toMatch(/^vcl2 +release/m);
      expect(said).toMatch(/^vcl3 +release/m);
      expect(said.indexOf('vcl2     start')).toBeLessThan(said.indexOf('vcl3     start'));
      expect(said).toMatch(/^vcl2 +verify +primary at epoch 1, serving/m);
      expect(said).toMatch(/^vcl3 +verify +standby at epoch 1/m);
      const [, backup = ''] = /^vcl3 +backup +(\S+) is on both/m.exec(said) ?? [];
      expect(said).toMatch(new RegExp(`^vcl3 +restore +${backup} restored and counted in`, 'm'));
      expect(code).toBe(0);

      // Who is root types coldspare, and it is this agent that is asked.
      const asked = await run(vcl2.path('usr/local/bin/coldspare'), ['status'], { cwd: '/' });
      expect(asked.stdout).toMatch(/^vcl2 is primary and serves, epoch 1/);

      for (const secret of await secrets()) expect(said).not.toContain(secret);
      expect(await secrets()).toHaveLength(3);
      expect((await stat(stage.secretsFile)).mode & 0o777).toBe(0o600);
      const environment = await stat(vcl2.path('opt/coldspare/current/coldspare.env'));
      expect([environment.mode & 0o777, environment.uid]).toEqual([0o600, 0]);
      // The agent is not root, and cannot change its own program.
      const [agent = 0] = vcl2.pids('main.js');
      const { uid } = await stat(`/proc/${agent}`);
      expect(uid).not.toBe(0);
      expect((await stat(vcl2.path('var/lib/coldspare'))).uid).toBe(uid);
      expect((await stat(vcl2.path('opt/coldspare/current/release/dist/src/main.js'))).uid).toBe(0);
      for (const secret of await secrets())
        expect(await readFile(`/proc/${agent}/cmdline`, 'utf8')).not.toContain(secret);
    },
    PATIENCE,
  );

  // Each of these begins with a pair that is well and ends with one. All of them in a soak.
  const drawn = drawnTests(0.3);

  drawn.test(
    'a second run changes nothing and says so',
    async () => {
      const before = [running(), await stage.tree()];
      const { code, said } = await stage.deploy();
      expect(said).toContain('Nothing to change');
      expect(code).toBe(0);
      expect([running(), await stage.tree()]).toEqual(before);
      expect(await stage.deploy('--check')).toEqual({ code: 0, said: 'Nothing is wrong.\n' });
    },
    PATIENCE,
  );

  drawn.test(
    'an agent that does not come up: the other one is left alone, and there is a way back',
    async () => {
      const before = running();
      const version = await vcl3.current;
      // A port that somebody else has.
      const squatter = createServer().listen(0, '127.0.0.1');
      await eventually('it listens', async () => squatter.listening);
      const address = squatter.address();
      const taken = typeof address === 'object' && address !== null ? address.port : 0;
      try {
        await stage.writeInventory({}, { variables: { PORT: taken } });
        const { code, said } = await stage.deploy();
        expect(code).toBe(1);
        expect(said).toContain('Stopped at vcl3, step start');
        expect(said).toContain('EADDRINUSE');
        expect(said).toMatch(/vcl3 was being turned to \S+\. vcl2 runs what it ran before\./);
        expect(running()).toMatchObject({ agents: [before.agents[0], {}], app: before.app });
      } finally {
        squatter.close();
        await stage.writeInventory();
      }
      const back = await stage.deploy('--rollback');
      expect(back.said).not.toMatch(/^vcl2 +(switch|start)/m);
      expect(back.code).toBe(0);
      expect(await vcl3.current).toBe(version);
      expect(running().agents[0]).toEqual(before.agents[0]);
    },
    PATIENCE,
  );

  drawn.test(
    'an upgrade never stops the app, nor both agents at once; and back again',
    async () => {
      const before = running();
      const versions = [await vcl2.current, await vcl3.current];
      const project = await stage.nextVersion();
      const dark: string[] = [];
      let isWatching = true;
      const watching = (async () => {
        const isUp = ({ agentPort }: BareServer) =>
          fetch(`http://127.0.0.1:${agentPort}/health`).then(
            () => true,
            () => false,
          );
        while (isWatching) {
          // A busy machine may lose one answer; two in a row it does not.
          const looks = [await Promise.all(stage.servers.map(isUp))];
          if (!looks.flat().includes(true)) looks.push(await Promise.all(stage.servers.map(isUp)));
          if (!looks.flat().includes(true)) dark.push(new Date().toISOString());
          await pause(100);
        }
      })();
      const upgrade = await stage.deployFrom(project);
      isWatching = false;
      await watching;
      expect(upgrade.said).toMatch(
        /^vcl3 +start +restart the agent; the app goes on\n(.*\n)*vcl2 +start/m,
      );
      expect(upgrade.code).toBe(0);
      expect(dark).toEqual([]);
      const after = running();
      expect(after.app).toBe(before.app);
      expect(after.agents).not.toContainEqual(before.agents[0]);
      expect(await vcl2.current).toContain('/9.9.9-');
      expect((await vcl2.status()).role).toBe('primary');

      const back = await stage.deploy('--rollback');
      expect(back.code).toBe(0);
      expect([await vcl2.current, await vcl3.current]).toEqual(versions);
      expect(running().app).toBe(before.app);
    },
    PATIENCE,
  );

  drawn.test(
    'new keys reach both, and only the .secrets file shows them',
    async () => {
      const { app } = running();
      const before = await secrets();
      const { code, said } = await stage.deploy('--rotate-keys');
      expect(said).toContain('ADMIN_TOKEN: a new secret');
      expect(code).toBe(0);
      const after = await secrets();
      expect(after).toHaveLength(3);
      for (const secret of [...before, ...after]) expect(said).not.toContain(secret);
      expect(before.some((secret) => after.includes(secret))).toBe(false);
      expect(running().app).toBe(app);

      // The machine that it was deployed from is gone: the servers still know the keys.
      await rm(stage.secretsFile);
      expect(await stage.deploy()).toMatchObject({ code: 0 });
      expect(await secrets()).toEqual(after);
    },
    PATIENCE,
  );

  drawn.test(
    'what is asked to be proven is restored on each and served from there',
    async () => {
      await vcl2.database.psql("INSERT INTO entries (text) VALUES ('an order')", 'ledger');
      const { code, said } = await stage.deploy('--prove');
      expect(said).toMatch(/^vcl3 +verify +primary at epoch \d+, serving/m);
      expect(code).toBe(0);
      const status = await vcl2.status();
      expect(status).toMatchObject({ role: 'primary', serving: true });
      expect(status.epoch).toBeGreaterThan(1);
      expect(await vcl2.database.psql('SELECT text FROM entries ORDER BY id', 'ledger')).toBe(
        'SEED\nan order\n',
      );
    },
    PATIENCE,
  );

  test.each<
    [fault: string, plant: () => Promise<unknown>, found: RegExp, mend: () => Promise<unknown>]
  >(
    sample(
      'doctor',
      [
        [
          'the agent of VCL3 is down',
          async () => vcl3.systemctl('stop', 'coldspare'),
          /vcl3 +the agent does not run[\s\S]*vcl2 +peer-lost: it cannot reach the other agent/,
          async () => vcl3.systemctl('start', 'coldspare'),
        ],
        [
          'the keys differ, may be read by all, and nothing starts at boot',
          async () => {
            const file = vcl3.path('opt/coldspare/current/coldspare.env');
            const text = await readFile(file, 'utf8');
            await writeFile(
              file,
              text.replace(/^PEER_TOKEN=.*$/m, `PEER_TOKEN="${'x'.repeat(40)}"`),
            );
            await chmod(file, 0o644);
            vcl3.systemctl('disable', 'coldspare');
            vcl3.systemctl('restart', 'coldspare');
          },
          /vcl3 +the agent does not start at boot[\s\S]*PEER_TOKEN differs[\s\S]*coldspare.env holds keys and has the mode 644/,
          async () => {
            // As the remedy says.
            expect(await stage.deploy('--rotate-keys')).toMatchObject({ code: 0 });
          },
        ],
        [
          'VCL3 was installed anew',
          () => vcl3.sshd.changeHostKey(),
          /vcl3 +\S+ shows the host key[\s\S]*compare on its own console/,
          () => stage.writeInventory(),
        ],
      ],
      1,
    ),
  )(
    'doctor finds it: %s',
    async (_fault, plant, found, mend) => {
      await plant();
      const said = await eventually(
        'it is found',
        async () => {
          const outcome = await stage.deploy('--check');
          return outcome.code === 1 && found.test(outcome.said) && outcome.said;
        },
        PATIENCE,
      );
      expect(said).toContain('→');
      await mend();
      await eventually(
        'it is mended',
        async () => (await stage.deploy('--check')).code === 0,
        PATIENCE,
      );
    },
    2 * PATIENCE,
  );
});
