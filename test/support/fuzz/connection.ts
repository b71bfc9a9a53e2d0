import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface RawAnswer {
  status: number;
  headers: string;
  body: string;
}

/** Milliseconds after which somebody would call it a hang. */
const PATIENCE = 60_000;

/** A connection that sends whatever it is given and reads what comes back, answer by answer. */
export class RawConnection {
  readonly #socket: Socket;
  #pending = Buffer.alloc(0);
  #isClosed = false;
  #wake = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk) => {
      this.#pending = Buffer.concat([this.#pending, chunk]);
      this.#wake();
    });
    socket.on('close', () => {
      this.#isClosed = true;
      this.#wake();
    });
    socket.on('error', () => {});
    socket.setTimeout(PATIENCE, () => socket.destroy(new Error('it hangs')));
  }

  static async to(port: number): Promise<RawConnection> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new RawConnection(socket);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  send(bytes: Buffer): void {
    this.#socket.write(bytes);
  }

  /** The next answer; undefined when the connection ends without one. */
  async read(): Promise<RawAnswer | undefined> {
    for (;;) {
      const parsed = parseAnswer(this.#pending);
      if (parsed !== undefined) {
        this.#pending = this.#pending.subarray(parsed.length);
        return parsed.answer;
      }
      if (this.#isClosed) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    const closed = once(this.#socket, 'close');
    this.#socket.destroy();
    await closed;
  }
}

/** The agent's problems have a length. @throws when it has sent something that is no such answer */
const parseAnswer = (bytes: Buffer): { answer: RawAnswer; length: number } | undefined => {
  const headEnd = bytes.indexOf('\r\n\r\n');
  if (headEnd < 0) return undefined;
  const head = bytes.toString('latin1', 0, headEnd);
  const status = /^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1];
  const length = /^content-length: (\d+)$/im.exec(head)?.[1];
  if (status === undefined || length === undefined) throw new Error(`not an answer: ${head}`);
  const end = headEnd + 4 + Number(length);
  if (bytes.length < end) return undefined;
  const body = bytes.toString('utf8', headEnd + 4, end);
  return { answer: { status: Number(status), headers: head, body }, length: end };
};
