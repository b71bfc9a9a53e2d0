import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { describe } from 'vitest';
import { eventually } from '../../scripts/lib/agent-process.js';
import { describePostgres, freePort } from './postgres.js';

const SSHD = ['/usr/sbin/sshd', '/usr/local/sbin/sshd', '/opt/homebrew/sbin/sshd'].find(existsSync);
/** Of sshd itself, when it runs as root. */
const PRIVILEGE_SEPARATION = '/run/sshd';

/** Why no sshd can be started here; undefined when one can. */
export const missingSshd = (): string | undefined =>
  SSHD === undefined ? 'sshd is not installed (openssh-server)' : undefined;

/** `describe` for tests that need PostgreSQL and sshd; skipped with the reason in its name, but never in CI. */
export const describeSshd = (name: string, tests: () => void): void => {
  const reason = missingSshd();
  if (reason === undefined) {
    describePostgres(name, tests);
  } else if (process.env.CI === 'true') {
    throw new Error(`${name}: ${reason}`);
  } else {
    console.warn(`SKIPPED ${name}: ${reason}`);
    describe.skip(`${name} (${reason})`, tests);
  }
};

/** sshd takes the first line only. */
const setEnvironment = (environment: Record<string, string>): string => {
  const entries = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  return entries.length === 0 ? '' : `SetEnv ${entries.join(' ')}`;
};

/** A real sshd on a free port of 127.0.0.1, with a host key and an authorized key of its own. */
export class Sshd {
  readonly port: number;
  readonly user = userInfo().username;
  readonly #directory: string;
  #process: ChildProcess | undefined;

  private constructor(directory: string, port: number) {
    this.#directory = directory;
    this.port = port;
  }

  /** With `environment` for its sessions, whose values have no blanks and quotes. */
  static async start(environment: Record<string, string> = {}): Promise<Sshd> {
    const directory = await mkdtemp(join(tmpdir(), 'coldspare-sshd-'));
    const sshd = new Sshd(directory, await freePort());
    if (userInfo().uid === 0) mkdirSync(PRIVILEGE_SEPARATION, { recursive: true, mode: 0o755 });
    sshd.makeKey('host');
    sshd.makeKey('client');
    const publicKey = await readFile(`${sshd.keyFile}.pub`, 'utf8');
    // All that coldspare needs of an account is to run commands.
    await writeFile(join(directory, 'authorized_keys'), `restrict ${publicKey}`);
    await writeFile(
      join(directory, 'config'),
      `Port ${sshd.port}
ListenAddress 127.0.0.1
HostKey ${join(directory, 'host')}
AuthorizedKeysFile ${join(directory, 'authorized_keys')}
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
${setEnvironment(environment)}
`,
    );
    await sshd.#run();
    return sshd;
  }

  /** The file of the private key that may log in. */
  get keyFile(): string {
    return join(this.#directory, 'client');
  }

  /** `SHA256:…`, as ssh-keygen shows it. */
  get hostKey(): string {
    const shown = execFileSync('ssh-keygen', ['-lf', join(this.#directory, 'host.pub')], {
      encoding: 'utf8',
    });
    return shown.split(' ')[1] ?? '';
  }

  /** A new key pair; the file of its private key. */
  makeKey(name: string, ...options: string[]): string {
    const file = join(this.#directory, name);
    rmSync(file, { force: true });
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file, ...options]);
    return file;
  }

  /** Replaces the host key, as a new installation or a man in the middle would. */
  async changeHostKey(): Promise<void> {
    await this.#end();
    this.makeKey('host');
    await this.#run();
  }

  /** From now on `command` is run at every login, in place of what was asked for (authorized_keys). */
  async force(command: string): Promise<void> {
    const quoted = `"${command.replaceAll('"', '\\"')}"`;
    const publicKey = await readFile(`${this.keyFile}.pub`, 'utf8');
    const line = `restrict,command=${quoted} ${publicKey}`;
    await writeFile(join(this.#directory, 'authorized_keys'), line);
  }

  /** Makes sshd hang until `wake`: it accepts connections and sends nothing. */
  hang(): void {
    this.#process?.kill('SIGSTOP');
  }

  wake(): void {
    this.#process?.kill('SIGCONT');
  }

  async remove(): Promise<void> {
    await this.#end();
    await rm(this.#directory, { recursive: true, force: true });
  }

  async #run(): Promise<void> {
    const files = ['-f', join(this.#directory, 'config'), '-E', join(this.#directory, 'log')];
    const child = spawn(SSHD ?? '', ['-D', ...files], { stdio: 'ignore' });
    this.#process = child;
    await eventually('sshd listens', async () => {
      if (child.exitCode !== null) throw new Error(`sshd ended with ${child.exitCode}`);
      const socket = connect({ port: this.port, host: '127.0.0.1' });
      await once(socket, 'connect').finally(() => socket.destroy());
      return true;
    });
  }

  async #end(): Promise<void> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    child.kill('SIGCONT');
    await exited;
  }
}
