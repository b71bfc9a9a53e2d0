import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { Client } from 'ssh2';
import { ColdspareError, isError } from '../../src/domain/errors.js';
import type { OpenCommand } from '../../src/drivers/run-command.js';
import { connectSsh } from '../../src/drivers/ssh/connection.js';
import { sshExecutor } from '../../src/drivers/ssh/executor.js';
import { type Inventory, type Layout, layoutOf, type ServerSettings } from './inventory.js';
import { Stop } from './stop.js';

/** Milliseconds for a command that normally takes one second. */
const TIMEOUT = 60_000;

/** The oldest Node.js that the agent runs on. */
const LEAST_NODE = [20, 19] as const;

/** Milliseconds, longer than any deploy takes. */
const LOCK_TIMEOUT = 24 * 3_600_000;

interface RunOptions {
  input?: string | Readable;
  /** Milliseconds. */
  timeout?: number;
}

/** One machine, over one SSH connection, as root. Every failure is a Stop that names the machine. */
export class Server {
  readonly settings: ServerSettings;
  readonly layout: Layout;
  /** The user that the agent runs as. */
  readonly runAs: string;
  #node = '';
  readonly #client: Client;
  readonly #executor: ReturnType<typeof sshExecutor>;
  #sudo: string[] = [];
  #lock: OpenCommand | undefined;

  private constructor(inventory: Inventory, settings: ServerSettings, client: Client) {
    this.settings = settings;
    this.runAs = inventory.runAs;
    this.layout = layoutOf(settings);
    this.#client = client;
    this.#executor = sshExecutor(client);
  }

  /** @throws Stop when it cannot be reached, or shows a host key that the inventory does not name */
  static async connect(inventory: Inventory, settings: ServerSettings): Promise<Server> {
    const client = await logIn(inventory, settings);
    const server = new Server(inventory, settings, client);
    try {
      await server.#findSudoAndNode();
      return server;
    } catch (error) {
      server.close();
      throw error;
    }
  }

  /** The path of Node.js on that machine. */
  get node(): string {
    return this.#node;
  }

  get name(): string {
    return this.settings.name;
  }

  /** Resolves to what it prints. @throws Stop */
  async run(argv: readonly string[], options: RunOptions = {}): Promise<string> {
    try {
      return await this.#execute(argv, options);
    } catch (error) {
      throw this.#explain(argv, error);
    }
  }

  /** As `run`, but undefined when the program fails or may not be run. */
  async tryRun(argv: readonly string[], options: RunOptions = {}): Promise<string | undefined> {
    try {
      return await this.#execute(argv, options);
    } catch (error) {
      if (isError(error, 'ssh-command-failed') || isError(error, 'ssh-not-permitted'))
        return undefined;
      throw this.#explain(argv, error);
    }
  }

  /** Runs a shell script that stops at the first command that fails. `$1`, `$2`… are `words`. @throws Stop */
  script(lines: string, words: readonly string[], options: RunOptions = {}): Promise<string> {
    return this.run(['sh', '-euc', lines, 'sh', ...words], options);
  }

  /** The text of a file; undefined when it does not exist. */
  async read(path: string): Promise<string | undefined> {
    const text = await this.script('if [ -f "$1" ]; then echo; cat -- "$1"; fi', [path]);
    return text === '' ? undefined : text.slice(1);
  }

  /** Replaces a file atomically and sets its mode. The text goes through stdin, so that no process list shows it. */
  async write(path: string, text: string, mode: string): Promise<void> {
    const digest = createHash('sha256').update(text).digest('hex');
    await this.script(
      `umask 077
       cat >"$1.new"
       printf '%s  %s\\n' "$3" "$1.new" | sha256sum --check --status -
       chmod "$2" "$1.new"
       mv -fT "$1.new" "$1"`,
      [path, mode, digest],
      { input: text },
    );
  }

  /**
   * Locks out other deploys until the connection ends, however it ends.
   * @throws Stop when another deploy holds the lock
   */
  async lock(): Promise<void> {
    const { root } = this.layout;
    const holder = this.#executor.open(
      [...this.#sudo, 'flock', '--nonblock', root, 'sh', '-c', 'echo locked; exec cat'],
      { timeout: LOCK_TIMEOUT },
    );
    this.#lock = holder;
    const refusal = await Promise.race([
      new Promise<undefined>((resolve) => holder.stdout.once('data', () => resolve(undefined))),
      holder.ended,
    ]);
    if (refusal === undefined) return;
    throw new Stop(
      `${this.name}: somebody else is deploying to it now (${refusal})`,
      'wait until that deploy has ended, and look at the pair with ./scripts/doctor before you go on',
    );
  }

  close(): void {
    this.#lock?.kill();
    this.#client.destroy();
  }

  /** Finds out whether sudo is needed, and where Node.js is. @throws Stop without sudo rights or a recent Node.js */
  async #findSudoAndNode(): Promise<void> {
    const said = await this.run(['sh', '-c', 'id -u; command -v node && node --version || true']);
    const [uid, path = '', version = ''] = said.split('\n');
    if (uid !== '0') {
      this.#sudo = ['sudo', '-n', '--'];
      await this.run(['true']);
    }
    const [major = 0, minor = 0] = version.replace('v', '').split('.').map(Number);
    const [least, leastMinor] = LEAST_NODE;
    if (major < least || (major === least && minor < leastMinor)) {
      throw new Stop(
        `${this.name}: Node.js ${LEAST_NODE.join('.')} or newer is needed, found ${version || 'none'}`,
        'install it there where the PATH of every user finds it, such as /usr/bin',
      );
    }
    this.#node = path;
  }

  #execute(argv: readonly string[], { input, timeout = TIMEOUT }: RunOptions): Promise<string> {
    return this.#executor.run([...this.#sudo, ...argv], {
      timeout,
      ...(input !== undefined && { input }),
    });
  }

  #explain([program]: readonly string[], cause: unknown): unknown {
    if (!(cause instanceof ColdspareError)) return cause;
    const what = cause.message.replace('on the other machine ', '');
    const { user } = this.settings;
    if (this.#sudo.length > 0 && program === 'true') {
      return new Stop(
        `${this.name}: ${user} may not use sudo without a password: ${what}`,
        `put "${user} ALL=(ALL) NOPASSWD: ALL" into /etc/sudoers.d/coldspare there, or set "user: root"`,
        { cause },
      );
    }
    const remedy =
      cause.code === 'ssh-unreachable'
        ? 'run the same command again: it goes on from there'
        : `look at it on ${this.name} as ${user}, then run the same command again`;
    return new Stop(`${this.name}: ${what}`, remedy, { cause });
  }
}

const logIn = async ({ file }: Inventory, settings: ServerSettings): Promise<Client> => {
  const { name, user, host, port, key, host_key: hostKey = '' } = settings;
  const options = { user, host, port, keyFile: key, hostKey };
  try {
    return await connectSsh(options, new AbortController().signal);
  } catch (cause) {
    if (!(cause instanceof ColdspareError)) throw cause;
    if (cause.code !== 'ssh-host-key-changed')
      throw new Stop(`${name}: ${cause.message}`, remedyFor(cause, settings, file), { cause });
    if (hostKey === '') {
      throw new Stop(
        `${name}: ${host}:${port} shows the host key ${cause.value}, and the inventory names none; nothing was said to it`,
        `compare it on the machine's own console (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub), then add to ${name} in ${file}: host_key: ${cause.value}`,
        { cause },
      );
    }
    throw new Stop(
      `${name}: ${cause.message}`,
      `it was installed anew, or it is another machine: compare on its own console (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub) before you change host_key in ${file}`,
      { cause },
    );
  }
};

const remedyFor = (
  { code }: ColdspareError,
  { name, user, key }: ServerSettings,
  file: string,
): string =>
  code === 'ssh-key-refused'
    ? `"key" of ${name} in ${file} names a private key without a passphrase; its public half, ${key}.pub, belongs in ~/.ssh/authorized_keys of ${user} there`
    : `check host and port of ${name} in ${file}, the network, and whether the machine is up`;
