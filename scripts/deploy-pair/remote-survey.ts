/** All that is asked about a server, in one command: over SSH each command costs a login shell and a round trip. */
export interface SurveyRequest {
  service: string;
  /** The variable of a running agent that names its deployment. */
  mark: string;
  user: string;
  /** Files, directories and links to describe. Links are not followed. */
  paths: string[];
  /** Paths whose file system is measured. A path that does not exist yet counts as its nearest existing parent. */
  disks: string[];
  /** Calls to the running agent, one after the other. */
  calls: Call[];
}

export interface Call {
  method: 'GET' | 'POST';
  path: string;
  body?: unknown;
}

export interface Entry {
  kind: 'file' | 'directory' | 'link';
  /** As chmod takes it, such as 600. */
  mode: string;
  uid: number;
  /** Files only: the content. */
  text?: string;
  /** Links only: where it leads. */
  target?: string;
  /** Directories only: the names of its entries. */
  names?: string[];
}

export interface Disk {
  path: string;
  freeBytes: number;
  totalBytes: number;
}

export interface SurveyReply {
  /** Milliseconds since 1970, by that machine's clock. */
  now: number;
  /** The properties that `systemctl show` prints. */
  service: Record<string, string>;
  /** The value of `SurveyRequest.mark`. Undefined when no agent runs, `''` when the agent was started by hand. */
  mark?: string;
  /** Of the service's user; undefined when there is none. */
  uid?: number;
  entries: Record<string, Entry>;
  disks: Disk[];
  /** In the order of the calls; null for a call that got no answer. */
  answers: ({ status: number; body: unknown } | null)[];
}

/**
 * Runs on the server. Its source text is sent there, so it may use nothing else of this file. It calls the agent from
 * the agent's own machine: the agent's port need not be open to us, and its keys never leave that machine.
 */
export const surveyMachine = async (question: string): Promise<void> => {
  const fs = process.getBuiltinModule('node:fs');
  const { execFileSync } = process.getBuiltinModule('node:child_process');
  const { dirname } = process.getBuiltinModule('node:path');
  const asked: SurveyRequest = JSON.parse(question);
  const attempt = <T>(action: () => T): T | undefined => {
    try {
      return action();
    } catch {
      return undefined;
    }
  };
  const run = (program: string, args: string[]) =>
    execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });

  const describe = (path: string): Entry | undefined => {
    const about = attempt(() => fs.lstatSync(path));
    if (about === undefined) return undefined;
    const common = { mode: (about.mode & 0o7777).toString(8), uid: about.uid };
    if (about.isSymbolicLink()) return { ...common, kind: 'link', target: fs.readlinkSync(path) };
    if (about.isDirectory()) return { ...common, kind: 'directory', names: fs.readdirSync(path) };
    return { ...common, kind: 'file', text: fs.readFileSync(path, 'utf8') };
  };
  const measure = (path: string): Disk => {
    let there = path;
    while (!fs.existsSync(there)) there = dirname(there);
    const { bavail, blocks, bsize } = fs.statfsSync(there);
    return { path, freeBytes: bavail * bsize, totalBytes: blocks * bsize };
  };

  const properties = 'ActiveState,SubState,UnitFileState,MainPID';
  const shown = attempt(() =>
    run('systemctl', ['show', `--property=${properties}`, asked.service]),
  );
  const service = Object.fromEntries(
    (shown ?? '').split('\n').map((line) => line.split('=') as [string, string]),
  );
  const environment = attempt(() => fs.readFileSync(`/proc/${service.MainPID}/environ`, 'utf8'));
  const read = (name: string) =>
    environment
      ?.split('\0')
      .find((line) => line.startsWith(`${name}=`))
      ?.slice(name.length + 1);
  const call = async ({ method, path, body }: Call) => {
    const host = (read('HOST') || '0.0.0.0').replace(/^(0\.0\.0\.0|::)$/, '127.0.0.1');
    const address = `${host.includes(':') ? `[${host}]` : host}:${read('PORT') || '8080'}`;
    const isTls = Boolean(read('TLS_CERT'));
    // The certificate names the host as others know it, not 127.0.0.1. The connection does not leave the machine.
    if (isTls) process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
    const response = await fetch(`${isTls ? 'https' : 'http'}://${address}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${read('ADMIN_TOKEN')}`,
        'content-type': 'application/json',
        prefer: 'wait=600',
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(method === 'GET' ? 10_000 : 650_000),
    });
    return { status: response.status, body: await response.json() };
  };

  const uid = attempt(() => Number(run('id', ['-u', asked.user])));
  const mark = environment === undefined ? undefined : (read(asked.mark) ?? '');
  const entries: Record<string, Entry> = {};
  for (const path of asked.paths) {
    const entry = describe(path);
    if (entry !== undefined) entries[path] = entry;
  }
  const answers: SurveyReply['answers'] = [];
  for (const one of asked.calls)
    answers.push(environment === undefined ? null : await call(one).catch(() => null));
  const reply: SurveyReply = {
    now: Date.now(),
    service,
    ...(mark !== undefined && { mark }),
    ...(uid !== undefined && { uid }),
    entries,
    disks: asked.disks.map(measure),
    answers,
  };
  process.stdout.write(JSON.stringify(reply));
};
