import { posix } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { isInTheWay } from '../../src/domain/operation.js';
import { commandFile } from './command-file.js';
import { SERVICE } from './inventory.js';
import type { Change, Progress } from './progress.js';
import type { Server } from './server.js';
import { Stop } from './stop.js';
import { type Survey, survey } from './survey.js';

/** Milliseconds within which an agent has to answer after its start. */
const START_DEADLINE = 60_000;
/** Milliseconds within which a running operation has to end. */
const QUIET_DEADLINE = 5 * 60_000;
const ASK_AGAIN = 500;

/** A deployment that is installed on a server, but perhaps not in use. */
export interface Staged {
  server: Server;
  name: string;
  /** The text of its systemd unit. */
  unit: string;
}

/** Switches one server to a deployment and waits until its agent works again. The app keeps running. @throws Stop */
export const activate = async (staged: Staged, seen: Survey, progress: Progress): Promise<void> => {
  const changes = [
    commandChange(staged, seen),
    unitChange(staged, seen),
    linkChange(staged, seen),
    enableChange(staged, seen),
    startChange(staged, seen),
  ];
  for (const change of changes)
    if (change !== undefined) await progress.make(staged.server.name, change);
};

const hasUnit = ({ server, unit }: Staged, { entries }: Survey): boolean =>
  entries[server.layout.unit]?.text === unit;

const unitChange = (staged: Staged, seen: Survey): Change | undefined => {
  if (hasUnit(staged, seen)) return undefined;
  const { server, unit } = staged;
  return {
    step: 'unit',
    what: `write ${server.layout.unit}`,
    apply: () => server.write(server.layout.unit, unit, '644'),
  };
};

const commandChange = ({ server }: Staged, { entries }: Survey): Change | undefined => {
  const { command } = server.layout;
  const text = commandFile(server);
  if (entries[command]?.text === text) return undefined;
  return {
    step: 'command',
    what: `write ${command}`,
    apply: async () => {
      await server.run(['mkdir', '-p', '--', posix.dirname(command)]);
      await server.write(command, text, '755');
    },
  };
};

const linkChange = ({ server, name }: Staged, { current }: Survey): Change | undefined => {
  if (current === name) return undefined;
  const { home, deployments } = server.layout;
  return {
    step: 'switch',
    what: `${current ?? '(nothing)'} → ${name}`,
    apply: () =>
      // A rename is atomic: the link leads to the old deployment or to the new one, never nowhere.
      server.script('cd -- "$1"; ln -sfn -- "$2" current.new; mv -T current.new current', [
        home,
        posix.join(deployments, name),
      ]),
  };
};

const enableChange = ({ server }: Staged, { service }: Survey): Change | undefined =>
  service.isEnabled
    ? undefined
    : {
        step: 'enable',
        what: `start ${SERVICE} at boot`,
        apply: () => server.run(['systemctl', 'enable', SERVICE]),
      };

const startChange = (staged: Staged, seen: Survey): Change | undefined => {
  const { server, name } = staged;
  const { isRunning, deployment } = seen.service;
  if (isRunning && deployment === name && hasUnit(staged, seen)) return undefined;
  return {
    step: 'start',
    what: isRunning ? 'restart the agent; the app goes on' : 'start the agent',
    apply: async () => {
      const { status } = await waitUntilQuiet(server, seen);
      // Always reload: an earlier run may have stopped after it had written the unit.
      await server.script('systemctl daemon-reload; systemctl restart "$1"', [SERVICE], {
        timeout: 120_000,
      });
      await waitUntilAtWork(staged, status?.serving ?? false);
    },
  };
};

/** Waits for the end of a running operation. After a stop the agent would resume it, but that takes longer. */
const waitUntilQuiet = async (server: Server, seen: Survey): Promise<Survey> => {
  const deadline = performance.now() + QUIET_DEADLINE;
  for (let now = seen; ; now = await survey(server)) {
    const operation = now.status?.operation;
    // A boot may be waiting for the peer, and a restore may take long. Both may be stopped and are done again.
    if (!operation || operation.kind === 'boot' || !isInTheWay(operation)) return now;
    if (performance.now() > deadline) {
      throw new Stop(
        `${server.name}: ${operation.kind} ${operation.id} still runs`,
        'wait for its end (GET /operations), then run the same command again',
      );
    }
    await pause(ASK_AGAIN);
  }
};

/** @throws Stop with the last log lines of an agent that does not start */
const waitUntilAtWork = async ({ server, name }: Staged, didServe: boolean): Promise<void> => {
  const deadline = performance.now() + START_DEADLINE;
  for (;;) {
    const { service, status } = await survey(server);
    const hasEnded = service.sub === 'auto-restart' || service.active === 'failed';
    if (hasEnded || performance.now() > deadline) {
      const said = await server.script(LAST_WORDS, [SERVICE]);
      throw new Stop(
        `${server.name}: the agent of ${name} ${hasEnded ? 'ends as soon as it is started' : 'does not answer'}:\n${said.trim()}`,
        'put right what it complains of and run the same command again, or go back: ./scripts/deploy --rollback',
      );
    }
    if (service.deployment === name && status !== undefined && (status.serving || !didServe))
      return;
    await pause(ASK_AGAIN);
  }
};

/** `systemctl status` exits with 3 for a service that does not run. */
const LAST_WORDS = 'systemctl status --no-pager --full --lines=12 "$1" || true';
