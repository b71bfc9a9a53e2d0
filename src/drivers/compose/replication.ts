import { Duplex } from 'node:stream';
import { ColdspareError } from '../../domain/errors.js';
import { firstByte } from '../first-byte.js';
import type { DatabaseAddress } from '../postgres/server.js';
import type { Executor, OpenCommand } from '../run-command.js';

/** Milliseconds until the engine has started bash in the container, and that is connected. */
const CONNECT_TIMEOUT = 10_000;

/** Milliseconds for the program to end by itself at the end of its input. */
const END_TIMEOUT = 5_000;

/** What the program says when it is connected. Everything after that is PostgreSQL's. */
const CONNECTED = '+';

/**
 * Every image of PostgreSQL has bash, for its own entrypoint. Whichever direction ends first ends the other: when
 * PostgreSQL closes, nothing has to come in for that to be noticed, and when the agent is killed, PostgreSQL's session
 * ends with it. Without the explicit input, bash would give what runs in the background an empty one.
 *
 * In its container PostgreSQL inherits each process that outlives its parent, and takes one that ends by a signal for a
 * server process that crashed: it ends all sessions, and recovers. So bash waits for its own, also when it is told to
 * end, and a pipe that breaks is an error of theirs and no signal.
 */
const PIPE = `trap '' PIPE; trap : TERM HUP INT
exec 3<>"/dev/tcp/$1/$2" 4<&0 && printf '${CONNECTED}' || exit
cat <&4 >&3 & cat <&3 & wait -n
while left=$(jobs -p) && [ "$left" ]; do kill $left; wait; done`;

type Address = Pick<DatabaseAddress, 'host' | 'port'>;

/**
 * Connects to PostgreSQL's port from inside its container, so that no port has to be published.
 * @throws ColdspareError `database-unreachable`, or the signal's reason
 */
export const connectReplica = async (
  executor: Executor,
  { host, port }: Address,
  signal: AbortSignal,
): Promise<Duplex> => {
  signal.throwIfAborted();
  const argv = ['bash', '-c', PIPE, 'bash', host, String(port)];
  // A standby follows for months. The tunnel has its own limits.
  const command = executor.open(argv, { timeout: 0 });
  signal.addEventListener('abort', command.kill);
  const timer = setTimeout(command.kill, CONNECT_TIMEOUT);
  try {
    const isConnected = (await firstByte(command)) === CONNECTED;
    // The byte may have come just before the command was killed.
    if (isConnected && !signal.aborted) return duplexOf(command);
    const said = await command.ended;
    signal.throwIfAborted();
    throw unreachable(`${host}:${port}`, said);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', command.kill);
  }
};

const duplexOf = ({ stdin, stdout, ended, kill }: OpenCommand): Duplex => {
  const duplex = Duplex.from({ readable: stdout, writable: stdin });
  // After an error comes the close.
  duplex.on('error', () => {});
  duplex.once('close', () => {
    const timer = setTimeout(kill, END_TIMEOUT);
    void ended.then(() => clearTimeout(timer));
  });
  return duplex;
};

const unreachable = (address: string, said: string): ColdspareError =>
  new ColdspareError(
    'database-unreachable',
    `PostgreSQL at ${address} of its container cannot be reached: ${said}`,
    'start the database; its container needs bash, as the official images have it',
    { value: address },
  );
