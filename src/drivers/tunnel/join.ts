import { once } from 'node:events';
import { type Duplex, PassThrough, type Transform } from 'node:stream';
import { Framer, Unframer } from './frames.js';

/** How long the two sides of a tunnel wait for each other. */
export interface Patience {
  /** Milliseconds between two heartbeats. */
  beat: number;
  /** Heartbeats that may be missing before the other side counts as gone. */
  missing: number;
  /** Milliseconds to take the rest in, once the other end of the tunnel has closed. */
  linger: number;
}

/**
 * A cut link is noticed after ten to twelve seconds. It is not less, because a base backup of hours that is cut begins
 * anew, and a network that is away for a few seconds is no reason for that.
 */
export const PATIENCE: Patience = { beat: 2_000, missing: 5, linger: 30_000 };

/** The two ends of one tunnel. */
export interface Ends {
  /** The connection to the other agent, with frames. */
  remote: Duplex;
  /** PostgreSQL, or one of its tools. */
  local: Duplex;
  /** Looks at what comes in before PostgreSQL gets it. */
  gate?: Transform;
  /** What is sent back when the gate fails. */
  answer?(error: Error): Buffer;
}

export interface Joined {
  /** Bytes so far. */
  readonly sent: number;
  readonly received: number;
  /** Resolves once both ends are closed. Never rejects. */
  readonly closed: Promise<void>;
}

/**
 * Carries bytes both ways until either end closes and the other one has had the rest. A side that does not read makes
 * the other one wait, and nothing piles up here.
 */
export const join = (
  { remote, local, gate = new PassThrough(), answer = () => Buffer.alloc(0) }: Ends,
  { beat, missing, linger }: Patience,
): Joined => {
  const framer = new Framer();
  const unframer = new Unframer();
  const timers: NodeJS.Timeout[] = [];
  const destroyAfter = (ms: number, stream: Duplex) =>
    timers.push(setTimeout(() => stream.destroy(), ms));

  /** The rest of what came in goes to PostgreSQL. What it still sends is thrown away, so that it can end. */
  const onRemoteGone = () => {
    framer.unpipe(remote).resume();
    remote.end();
    unframer.end();
    destroyAfter(linger, local);
  };
  /** The rest of what PostgreSQL sent goes out, and then the end. What still comes in is read: a reset would lose the rest. */
  const onLocalGone = () => {
    gate.unpipe(local).resume();
    local.end();
    framer.end();
    destroyAfter(linger, remote);
  };

  // Not with `pipeline`, which destroys what has not been sent yet.
  local.pipe(framer).pipe(remote);
  remote.pipe(unframer).pipe(gate).pipe(local);
  // After an error comes the close.
  for (const stream of [remote, local, framer]) stream.on('error', () => {});
  unframer.on('error', () => {
    remote.destroy();
    gate.end();
  });
  gate.on('error', (error) => {
    local.unpipe(framer);
    framer.end(answer(error));
    unframer.unpipe(gate).resume();
    local.destroy();
  });
  for (const [stream, onGone] of [
    [remote, onRemoteGone],
    [local, onLocalGone],
  ] as const) {
    stream.once('end', onGone).once('close', onGone);
    if (stream.destroyed) onGone();
  }

  // Counted, not measured: after a pause of this process, what came meanwhile is read before the next heartbeat.
  let silent = 0;
  remote.on('data', () => {
    silent = 0;
  });
  const heart = setInterval(() => {
    framer.beat();
    // Not while this side makes the other one wait.
    silent = remote.isPaused() ? 0 : silent + 1;
    if (silent > missing) remote.destroy();
  }, beat);

  const end = async () => {
    await Promise.all([closeOf(remote), closeOf(local)]);
    clearInterval(heart);
    for (const timer of timers) clearTimeout(timer);
  };
  return {
    get sent() {
      return framer.framed;
    },
    get received() {
      return unframer.unframed;
    },
    closed: end(),
  };
};

const closeOf = async (stream: Duplex): Promise<void> => {
  if (!stream.closed) await once(stream, 'close').catch(() => closeOf(stream));
};
