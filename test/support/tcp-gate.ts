import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { pipeline, Transform } from 'node:stream';

/** Sees each chunk before it goes through, and may cut the gate before that. Every connection has a number. */
export type Tap = (connection: number, isInward: boolean, chunk: Buffer) => void;

/** Forwards a port to another port of this machine, until the test cuts it like a cable. */
export class TcpGate {
  readonly #target: number;
  readonly #server = createServer({ allowHalfOpen: true }, (client) => this.#carry(client));
  readonly #sockets = new Set<Socket>();
  tap: Tap | undefined;
  #held = Promise.resolve();
  #connections = 0;
  /** Bytes that still get in before nothing gets through in either direction. */
  #left = Number.POSITIVE_INFINITY;

  private constructor(target: number) {
    this.#target = target;
  }

  static async to(target: number): Promise<TcpGate> {
    const gate = new TcpGate(target);
    await once(gate.#server.listen(0, '127.0.0.1'), 'listening');
    return gate;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** After `bytes` more bytes nothing gets through, without an error: open and new connections hang. */
  cut(bytes = 0): void {
    this.#left = bytes;
  }

  /** Lets new connections through again, and resets those that were open during the cut. */
  heal(): void {
    if (this.#left < Number.POSITIVE_INFINITY) this.#reset();
    this.#left = Number.POSITIVE_INFINITY;
  }

  /** Holds all traffic until the returned function is called, without closing a connection. */
  hold(): () => void {
    let release = () => {};
    this.#held = new Promise((resolve) => {
      release = resolve;
    });
    return release;
  }

  async close(): Promise<void> {
    const closed = once(this.#server.close(), 'close');
    this.#reset();
    await closed;
  }

  #carry(client: Socket): void {
    const number = this.#connections++;
    const target = connect({ port: this.#target, host: '127.0.0.1', allowHalfOpen: true });
    for (const socket of [client, target]) {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    }
    const end = (error?: Error | null) => {
      if (!error) return;
      client.destroy();
      target.destroy();
    };
    pipeline(client, this.#valve(number, true), target, end);
    pipeline(target, this.#valve(number, false), client, end);
  }

  /** After a cut, the callback of a chunk or an end is never called, so that everything behind it waits. */
  #valve(connection: number, isInward: boolean): Transform {
    const valve = new Transform({
      transform: async (chunk: Buffer, _encoding, done) => {
        this.tap?.(connection, isInward, chunk);
        await this.#held;
        const passed = this.#left > 0 ? chunk.subarray(0, isInward ? this.#left : undefined) : '';
        if (isInward) this.#left -= passed.length;
        if (passed.length > 0) valve.push(passed);
        if (passed.length === chunk.length) done();
      },
      flush: (done) => {
        if (this.#left > 0) done();
      },
    });
    return valve;
  }

  #reset(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }
}
