import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import ssh2, { type Client } from 'ssh2';
import { ColdspareError } from '../../domain/errors.js';
import { formatDuration } from '../../domain/format.js';

/** Milliseconds to connect in. */
const CONNECT_MS = 5_000;
/** Milliseconds from the connection to the end of the login. */
const LOGIN_MS = 10_000;
/** A connection is lost when this many checks get no answer, however long a command takes. */
const ALIVE = { keepaliveInterval: 5_000, keepaliveCountMax: 3 };

export interface SshOptions {
  user: string;
  host: string;
  port: number;
  /** File of the private key, without a passphrase. Read for each connection, so that it may be replaced. */
  keyFile: string;
  /** `SHA256:…` as ssh-keygen shows it. A host with another key is refused. */
  hostKey: string;
}

/**
 * Logs in with that one key at that one host key: no SSH agent, no password, no prompt.
 * @throws ColdspareError `ssh-unreachable`, `ssh-timed-out`, `ssh-host-key-changed`, `ssh-key-refused`
 */
export const connectSsh = async (options: SshOptions, signal: AbortSignal): Promise<Client> => {
  const privateKey = await readKey(options);
  const sock = await openSocket(options, signal);
  const client = new ssh2.Client();
  let shown: string | undefined;
  let cancel = () => {};
  const loggedIn = new Promise<void>((resolve, reject) => {
    client.on('ready', resolve).on('error', reject);
    client.on('close', () => reject(new Error('it closed the connection')));
    cancel = () => reject(signal.reason);
    signal.addEventListener('abort', cancel, { once: true });
    client.connect({
      sock,
      username: options.user,
      privateKey,
      authHandler: ['publickey'],
      hostVerifier: (key: Buffer) => {
        shown = fingerprint(key);
        return shown === options.hostKey;
      },
      readyTimeout: LOGIN_MS,
      ...ALIVE,
    });
  });
  try {
    await loggedIn;
    return client;
  } catch (error) {
    sock.destroy();
    signal.throwIfAborted();
    if (shown !== undefined && shown !== options.hostKey) throw hostKeyChanged(options, shown);
    throw notLoggedIn(options, error as Error & { level?: string });
  } finally {
    // The signal may live as long as the agent, which connects every few minutes.
    signal.removeEventListener('abort', cancel);
  }
};

/** As `ssh-keygen -l` shows it. */
const fingerprint = (key: Buffer): string =>
  `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;

const readKey = async (options: SshOptions): Promise<Buffer> => {
  try {
    const key = await readFile(options.keyFile);
    const parsed = ssh2.utils.parseKey(key);
    if (parsed instanceof Error) throw parsed;
    return key;
  } catch (cause) {
    throw new ColdspareError(
      'ssh-key-refused',
      `the private key ${options.keyFile} cannot be used: ${cause instanceof Error ? cause.message : cause}`,
      'PEER_SSH_KEY names a private key without a passphrase that the agent may read: ssh-keygen -t ed25519 -N ""',
      { cause, value: options.keyFile },
    );
  }
};

const openSocket = async (options: SshOptions, signal: AbortSignal): Promise<Socket> => {
  const timeout = AbortSignal.timeout(CONNECT_MS);
  const socket = connect({ host: options.host, port: options.port });
  try {
    await once(socket, 'connect', { signal: AbortSignal.any([signal, timeout]) });
    return socket;
  } catch (cause) {
    // A socket that is destroyed while it connects may still emit an error.
    socket.on('error', () => {}).destroy();
    signal.throwIfAborted();
    const why = timeout.aborted
      ? `no connection within ${formatDuration(CONNECT_MS)}`
      : (cause as Error).message;
    throw new ColdspareError(
      'ssh-unreachable',
      `${address(options)} cannot be reached: ${why}`,
      'check PEER_SSH, the network and whether the machine is up',
      { cause, value: address(options) },
    );
  }
};

const hostKeyChanged = (options: SshOptions, shown: string): ColdspareError =>
  new ColdspareError(
    'ssh-host-key-changed',
    `${address(options)} shows the host key ${shown}, expected ${options.hostKey}; nothing was sent to it`,
    'make sure that it is the right machine, then set PEER_SSH_HOST_KEY to the fingerprint of its key: run "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub" there',
    { value: shown },
  );

const notLoggedIn = (options: SshOptions, error: Error & { level?: string }): ColdspareError => {
  const extras = { cause: error, value: address(options) };
  switch (error.level) {
    case 'client-authentication':
      return new ColdspareError(
        'ssh-key-refused',
        `${address(options)} does not let ${options.user} in with ${options.keyFile}`,
        `add the public key to ~/.ssh/authorized_keys of ${options.user} there`,
        extras,
      );
    case 'client-timeout':
      return new ColdspareError(
        'ssh-timed-out',
        `${address(options)} accepts connections, but no login within ${formatDuration(LOGIN_MS)}`,
        'the machine or its sshd hangs: look at it from its console',
        extras,
      );
    default:
      return new ColdspareError(
        'ssh-unreachable',
        `${address(options)} closed the connection before the login: ${error.message}`,
        'check that PEER_SSH names the port of an SSH server',
        extras,
      );
  }
};

const address = ({ user, host, port }: SshOptions): string => `${user}@${host}:${port}`;
