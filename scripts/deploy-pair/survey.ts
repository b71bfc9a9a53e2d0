import { basename } from 'node:path';
import type { NodeStatus } from '../../src/domain/status.js';
import { DEPLOYMENT_VARIABLE } from './deployment.js';
import { SERVICE } from './inventory.js';
import { parseEnvironment, type Variables } from './node-environment.js';
import {
  type Call,
  type Disk,
  type Entry,
  type SurveyReply,
  type SurveyRequest,
  surveyMachine,
} from './remote-survey.js';
import type { Server } from './server.js';
import { Stop } from './stop.js';

interface BackupEntry {
  id: string;
  sha256: string;
}

/** The state of one server at one moment. */
export interface Survey {
  name: string;
  service: {
    /** `active`, `activating`, `inactive`, `failed`. */
    active: string;
    /** `running`, `auto-restart`, `dead`. */
    sub: string;
    isEnabled: boolean;
    isRunning: boolean;
    /** Which deployment the running agent was started from. */
    deployment: string | undefined;
  };
  /** The uid of the service's user; undefined when that user does not exist. */
  uid: number | undefined;
  entries: Record<string, Entry>;
  disks: Disk[];
  /** Milliseconds that the server's clock is ahead of ours, and the largest error of that number. */
  clock: { ahead: number; uncertainty: number };
  /** The names of the deployments that the three links lead to. */
  current: string | undefined;
  proven: string | undefined;
  previous: string | undefined;
  /** The variables in the deployed coldspare.env. */
  variables: Variables;
  /** The agent's answer to GET /status; undefined when it does not answer. */
  status: NodeStatus | undefined;
  backups: BackupEntry[];
}

/** Milliseconds. Longer than a call waits for the end of an operation. */
const LOOK_TIMEOUT = 660_000;

/** Looks at a server and, besides what every look needs, at `paths`. Changes nothing. @throws Stop */
export const survey = async (server: Server, paths: readonly string[] = []): Promise<Survey> => {
  const { current, proven, previous, unit, command, releases, deployments, state } = server.layout;
  const file = `${current}/coldspare.env`;
  const started = Date.now();
  const reply = await ask(server, {
    paths: [current, proven, previous, unit, command, releases, deployments, file, ...paths],
    disks: [...new Set([state, releases, ...paths])],
    calls: [
      { method: 'GET', path: '/status' },
      { method: 'GET', path: '/backups' },
    ],
  });
  const uncertainty = (Date.now() - started) / 2;
  const [status, backups] = reply.answers;
  const nameAt = (link: string) => {
    const target = reply.entries[link]?.target;
    return target && basename(target);
  };
  return {
    name: server.name,
    service: {
      active: reply.service.ActiveState ?? '',
      sub: reply.service.SubState ?? '',
      isEnabled: reply.service.UnitFileState === 'enabled',
      isRunning: reply.mark !== undefined,
      deployment: reply.mark || undefined,
    },
    uid: reply.uid,
    entries: reply.entries,
    disks: reply.disks,
    clock: { ahead: reply.now - (started + uncertainty), uncertainty },
    current: nameAt(current),
    proven: nameAt(proven),
    previous: nameAt(previous),
    variables: parseEnvironment(reply.entries[file]?.text ?? ''),
    status: status?.status === 200 ? (status.body as NodeStatus) : undefined,
    backups: backups?.status === 200 ? (backups.body as { backups: BackupEntry[] }).backups : [],
  };
};

/** Calls the agent of that server. @throws Stop when it does not answer or refuses */
export const callAgent = async <T>(server: Server, call: Call): Promise<T> => {
  const { answers } = await ask(server, { paths: [], disks: [], calls: [call] });
  const [answer] = answers;
  const look = `on ${server.name}: journalctl -u ${SERVICE} -n 50`;
  if (!answer) throw new Stop(`${server.name}: the agent does not answer any more`, look);
  if (answer.status < 400) return answer.body as T;
  const { detail, remedy } = answer.body as { detail?: string; remedy?: string };
  throw new Stop(
    `${server.name}: ${call.method} ${call.path}: ${detail ?? `status ${answer.status}`}`,
    remedy ?? look,
  );
};

const ask = async (
  server: Server,
  question: Pick<SurveyRequest, 'paths' | 'disks' | 'calls'>,
): Promise<SurveyReply> => {
  const words: SurveyRequest = {
    service: SERVICE,
    mark: DEPLOYMENT_VARIABLE,
    user: server.runAs,
    ...question,
  };
  const argv = [server.node, '-e', `(${surveyMachine})(process.argv[1])`, JSON.stringify(words)];
  return JSON.parse(await server.run(argv, { timeout: LOOK_TIMEOUT }));
};
