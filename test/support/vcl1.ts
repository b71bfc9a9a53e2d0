import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { describe } from 'vitest';
import type { AgentProcess } from '../../scripts/lib/agent-process.js';
import { eventually } from './pair.js';
import { describePostgres, freePort } from './postgres.js';

export type Balancer = 'nginx' | 'haproxy';

/** Why `startVcl1` cannot work on this machine; undefined when it can. */
export const missingForVcl1 = (balancer: Balancer): string | undefined =>
  [
    ...(existsSync(`/usr/sbin/${balancer}`) ? [] : [`${balancer} is not installed`]),
    ...(existsSync('/usr/bin/envsubst') ? [] : ['envsubst is not installed (gettext-base)']),
    ...(userInfo().uid === 0 ? [] : ['only root can start it']),
  ].join(', ') || undefined;

/** `describe` for tests that need the real program, root rights and PostgreSQL; never skipped in CI. */
export const describeVcl1 = (balancer: Balancer, name: string, tests: () => void): void => {
  const missing = missingForVcl1(balancer);
  if (missing === undefined) {
    describePostgres(name, tests);
  } else if (process.env.CI === 'true') {
    throw new Error(`${name}: ${missing}`);
  } else {
    console.warn(`SKIPPED ${name}: ${missing}`);
    describe.skip(`${name} (${missing})`, tests);
  }
};

export interface Vcl1 {
  /** The address that users call. */
  url: string;
  close(): Promise<void>;
}

/** The real program in front of the pair, with its template filled in as the manual says. */
export const startVcl1 = async (
  balancer: Balancer,
  pair: { vcl2: Server; vcl3: Server },
): Promise<Vcl1> => {
  const directory = await mkdtemp(join(tmpdir(), `coldspare-${balancer}-`));
  const listen = `127.0.0.1:${await freePort()}`;
  const config = fillTemplate(balancer, {
    VCL1_LISTEN: listen,
    VCL1_CACHE: join(directory, 'cache'),
    ...addresses('VCL2', pair.vcl2),
    ...addresses('VCL3', pair.vcl3),
  });
  const logFile = join(directory, 'log');
  const log = openSync(logFile, 'a');
  const child = spawn(`/usr/sbin/${balancer}`, ARGUMENTS[balancer](directory, config), {
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  const url = `http://${listen}/`;
  const close = async () => {
    if (child.exitCode === null) {
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await exited;
    }
    await rm(directory, { recursive: true, force: true });
  };
  const answers = () => fetch(url, { method: 'HEAD' });
  await eventually(`${balancer} answers`, answers, 10_000).catch(async (error) => {
    const cause = readFileSync(logFile, 'utf8');
    await close();
    throw new Error(cause, { cause: error });
  });
  return { url, close };
};

/** The addresses of a server that VCL1 needs. */
interface Server {
  agent: Pick<AgentProcess, 'name' | 'url'>;
  appUrl: string;
}

const addresses = (server: string, { agent, appUrl }: Server) => ({
  [`${server}_NAME`]: agent.name,
  [`${server}_APP`]: new URL(appUrl).host,
  [`${server}_AGENT`]: new URL(agent.url).host,
});

/** Runs the manual's own command, with these values in place of those that the manual exports. */
const fillTemplate = (balancer: Balancer, values: Record<string, string>): string => {
  const manual = readFileSync('wrangler-free-readme.md', 'utf8');
  const exported = [...manual.matchAll(/^export (VCL\d_.*)$/gm)].flatMap(([, line = '']) =>
    [...line.matchAll(/(\w+)=/g)].map(([, name]) => name),
  );
  if (exported.sort().join() !== Object.keys(values).sort().join())
    throw new Error(`the manual exports ${exported}, the test ${Object.keys(values)}`);
  const [, command] =
    new RegExp(`^(envsubst [^|]*/${balancer}\\.\\w+) \\| sudo tee`, 'm').exec(manual) ?? [];
  if (command === undefined) throw new Error(`the manual does not fill in ${balancer}`);
  const env = { PATH: process.env.PATH ?? '', ...values };
  return execFileSync('sh', ['-euc', command], { env, encoding: 'utf8' });
};

/** Writes the program's configuration to `directory`, and returns the arguments that run it in the foreground. */
const ARGUMENTS: Record<Balancer, (directory: string, config: string) => string[]> = {
  haproxy: (directory, config) => {
    const file = join(directory, 'haproxy.cfg');
    writeFileSync(file, config);
    return ['-db', '-f', file];
  },
  nginx: (directory, config) => {
    const file = join(directory, 'nginx.conf');
    writeFileSync(join(directory, 'coldspare.conf'), config);
    const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (kind) => `${kind}_temp_path ${directory}/${kind};`,
    );
    // Only root may look into the directory of a test.
    writeFileSync(
      file,
      `daemon off;
user root;
pid ${directory}/pid;
error_log stderr;
events {}
http {
  access_log off;
  ${places.join('\n  ')}
  include ${directory}/coldspare.conf;
}
`,
    );
    return ['-c', file, '-e', 'stderr'];
  },
};
