import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { AgentProcess } from '../../scripts/lib/agent-process.js';
import { freePorts } from '../../scripts/lib/free-port.js';
import type { ComposeProject } from './compose-project.js';
import { Operated } from './operated.js';
import { QUIET } from './pair.js';

const MAIN = resolve('dist/src/main.js');

/** The app's answer as JSON; undefined when it does not serve. */
export const readApp = async <T>(url: string): Promise<T | undefined> => {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(5_000) });
    return response.ok ? ((await response.json()) as T) : undefined;
  } catch {
    return undefined;
  }
};

/** Writes through an app. Resolves to whether the write was acknowledged. */
export const writeApp = async (url: string, body: object): Promise<boolean> => {
  try {
    const response = await fetch(url, {
      method: 'POST',
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(5_000),
    });
    return response.status === 201;
  } catch {
    return false;
  }
};

/** One server: an agent, and a compose project as its owner made it. */
export class ComposeMachine extends Operated {
  readonly project: ComposeProject;
  readonly appUrl: string;

  constructor(agent: AgentProcess, project: ComposeProject, appUrl: string) {
    super(agent);
    this.project = project;
    this.appUrl = appUrl;
  }

  /** As `readApp`, on this machine. */
  read<T>(path: string): Promise<T | undefined> {
    return readApp<T>(this.appUrl + path);
  }

  /** As `writeApp`, on this machine. */
  post(path: string, body: object): Promise<boolean> {
    return writeApp(this.appUrl + path, body);
  }

  /** Whether GET /primary says yes, as the load balancer asks. */
  async isPrimary(): Promise<boolean> {
    const answer = await this.agent.get('/primary').catch(() => undefined);
    return answer?.status === 200;
  }
}

export interface ComposePair {
  vcl2: ComposeMachine;
  vcl3: ComposeMachine;
  remove(): Promise<void>;
}

interface ComposePairOptions {
  /** Makes the project of one server, whose app listens on this port. */
  createProject(name: 'vcl2' | 'vcl3', directory: string, appPort: number): Promise<ComposeProject>;
  healthPath: string;
  /** What the owner of this project sets for both agents. */
  env: Record<string, string>;
}

/** VCL2 and VCL3, each with a compose project. The agents are left to be started by the test. */
export const createComposePair = async (options: ComposePairOptions): Promise<ComposePair> => {
  const directory = await mkdtemp(join(tmpdir(), 'pair-'));
  const [agent2 = 0, agent3 = 0, app2 = 0, app3 = 0] = await freePorts(4);

  const createMachine = async (
    name: 'vcl2' | 'vcl3',
    here: { agent: number; app: number },
    there: { agent: number; app: number },
  ): Promise<ComposeMachine> => {
    const state = join(directory, name, 'state');
    await mkdir(state, { recursive: true });
    const project = await options.createProject(name, join(directory, name, 'project'), here.app);
    const appUrl = `http://127.0.0.1:${here.app}`;
    const env = {
      ...QUIET,
      CHECK_INTERVAL: '1s',
      CHECK_TIMEOUT: '5s',
      DB_START_TIMEOUT: '1m',
      APP_START_TIMEOUT: '1m',
      NODE_NAME: name,
      PORT: `${here.agent}`,
      INITIAL_ROLE: name === 'vcl2' ? 'primary' : 'standby',
      PEER_URL: `http://127.0.0.1:${there.agent}`,
      STATE_DIR: state,
      COMPOSE_PROJECT_DIR: project.directory,
      APP_HEALTH_URL: appUrl + options.healthPath,
      PRIMARY_CHECK_URL: `http://127.0.0.1:${there.app}${options.healthPath}`,
      ...project.engine.env,
      ...options.env,
    };
    const agent = new AgentProcess(env, join(directory, name, 'agent.log'), MAIN);
    return new ComposeMachine(agent, project, appUrl);
  };
  const ports2 = { agent: agent2, app: app2 };
  const ports3 = { agent: agent3, app: app3 };
  const vcl2 = await createMachine('vcl2', ports2, ports3);
  const vcl3 = await createMachine('vcl3', ports3, ports2);
  return {
    vcl2,
    vcl3,
    remove: async () => {
      for (const { agent, project } of [vcl2, vcl3]) {
        await agent.kill();
        await project.compose('down', '--volumes', '--timeout', '2').catch(() => {});
      }
      await rm(directory, { recursive: true, force: true });
    },
  };
};
