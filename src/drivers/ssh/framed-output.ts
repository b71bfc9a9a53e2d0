import { randomBytes } from 'node:crypto';
import { Transform, type TransformCallback } from 'node:stream';

/** ASCII's record separator: text hardly ever ends with it, so nothing of a dialogue is held back. */
const SEPARATOR = '\x1e';
/** Bytes before the frame that are kept while the frame is waited for. */
const PREFACE_LIMIT = 65_536;
/** Characters of what came before the frame that are kept for an error. */
const PREFACE_LENGTH = 200;

/**
 * The stdout of a program on another machine, without what the login prints around it. The line that is run there
 * prints a random word right before and right after the program, and its exit status. A login that runs something else,
 * or prints more (nologin, `command=` in authorized_keys, a greeting in a shell's start files), is thereby found out (H41).
 */
export class FramedOutput extends Transform {
  readonly token = randomBytes(12).toString('hex');
  /** Whether the line has been run at all. */
  hasBegun = false;
  /** The exit status of the program; undefined as long as the frame is not closed. */
  status: number | undefined;
  #held: Buffer = Buffer.alloc(0);
  #hasEnded = false;

  /** What was printed in place of the frame, or before it. */
  get preface(): string {
    return this.hasBegun ? '' : this.#held.toString('utf8').trim().slice(0, PREFACE_LENGTH);
  }

  override _transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
    this.#take(chunk);
    done();
  }

  #take(chunk: Buffer): void {
    if (this.status !== undefined) return;
    this.#held = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    if (!this.hasBegun) this.#begin();
    if (this.hasBegun && !this.#hasEnded) this.#takeOut();
    if (this.#hasEnded) this.#readStatus();
  }

  override _flush(done: TransformCallback): void {
    if (this.hasBegun && !this.#hasEnded) this.push(this.#held);
    done();
  }

  #begin(): void {
    const opening = `${SEPARATOR}${this.token}+`;
    const at = this.#held.indexOf(opening);
    this.hasBegun = at >= 0;
    if (this.hasBegun) this.#held = this.#held.subarray(at + opening.length);
    else if (this.#held.length > PREFACE_LIMIT) this.#held = this.#held.subarray(-opening.length);
  }

  /** Passes on everything that cannot be the beginning of the frame's end. */
  #takeOut(): void {
    const closing = `${SEPARATOR}${this.token}-`;
    const at = this.#held.indexOf(closing);
    const start = at >= 0 ? at : this.#held.indexOf(SEPARATOR, -closing.length);
    const length = start >= 0 ? start : this.#held.length;
    if (length > 0) this.push(this.#held.subarray(0, length));
    this.#held = this.#held.subarray(length);
    if (at < 0) return;
    this.#hasEnded = true;
    this.#held = this.#held.subarray(closing.length);
  }

  /** What comes after the frame is not the program's. */
  #readStatus(): void {
    const end = this.#held.indexOf(SEPARATOR);
    if (end >= 0) this.status = Number(this.#held.subarray(0, end).toString('latin1'));
  }
}
