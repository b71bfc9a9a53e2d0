import { posix } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { isInTheWay } from '../../src/domain/operation.js';
import { commandFile } from './command-file.js';
import { SERVICE } from './inventory.js';
import type { Change, Progress } from './progress.js';
import type { Server } from './server.js';
import { Stop } from './stop.js';
import { type Survey, survey } from './survey.js';

/** Milliseconds until an agent that was started has to answer. */
const START_DEADLINE = 60_000;
/** Milliseconds until an operation that runs has to end. */
const QUIET_DEADLINE = 5 * 60_000;
const ASK_AGAIN = 500;

/** A deployment that lies on a server. */
export interface Staged {
  server: Server;
  name: string;
  /** Text of its unit. */
  unit: string;
}

/** Turns one server to a deployment and waits until its agent is at work again. The app goes on meanwhile. */
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
      // A rename is atomic: the link leads to the one or to the other.
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
      // Always: a run that was cut may have written the unit without loading it.
      await server.script('systemctl daemon-reload; systemctl restart "$1"', [SERVICE], {
        timeout: 120_000,
      });
      await waitUntilAtWork(staged, status?.serving ?? false);
    },
  };
};

/** An agent is not stopped in the middle of an operation: it would take it up again, but that takes longer. */
const waitUntilQuiet = async (server: Server, seen: Survey): Promise<Survey> => {
  const deadline = performance.now() + QUIET_DEADLINE;
  for (let now = seen; ; now = await survey(server)) {
    const operation = now.status?.operation;
    // A boot may wait for its peer, and a restore for long; both give way, and are taken up again or asked for again.
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

/** @throws Stop with the last words of an agent that does not come up */
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
