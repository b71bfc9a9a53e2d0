import { Transform, type TransformCallback } from 'node:stream';
import { Refused, toColdspareError } from '../../domain/errors.js';
import { REPLICATION_ROLE } from '../postgres/cluster/replication-role.js';

/** Version 3.0 and later ones of PostgreSQL's protocol. Requests for TLS or a cancellation have other numbers. */
const MAJOR_VERSION = 3;

/** A packet begins with its length and the version, in four bytes each. Then come its parameters. */
const LENGTH_BYTES = 4;
const PARAMETERS = 8;

/** As PostgreSQL limits it, in bytes. */
const LARGEST_PACKET = 10_000;

/** What a physical replica sends as `replication`, in any case. With "database" the session would take SQL. */
const PHYSICAL = ['true', 'on', 'yes', '1'];

/**
 * Lets the first packet of a connection through only if it asks for physical replication as the role that may do nothing
 * else. PostgreSQL may trust whoever comes from this machine, and the tunnel must not turn the peer's key into a
 * superuser's session. Everything after the
 * first packet goes through.
 */
export class StartupGate extends Transform {
  /** What has come of the first packet; undefined once it has been let through. */
  #first: Buffer | undefined = Buffer.alloc(0);

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    if (this.#first === undefined) {
      done(null, chunk);
      return;
    }
    const read = Buffer.concat([this.#first, chunk]);
    const length = read.length < LENGTH_BYTES ? PARAMETERS : read.readInt32BE();
    const isPacket = length >= PARAMETERS && length <= LARGEST_PACKET;
    const isWhole = read.length >= length;
    this.#first = isWhole ? undefined : read;
    if (!isPacket || (isWhole && !isReplication(read.subarray(0, length)))) done(notReplication());
    else done(null, isWhole ? read : undefined);
  }
}

const isReplication = (packet: Buffer): boolean => {
  if (packet.length < PARAMETERS || packet.readUInt16BE(LENGTH_BYTES) !== MAJOR_VERSION)
    return false;
  const texts = packet.toString('latin1', PARAMETERS).split('\0');
  // Names and values alternate. Of a name that comes twice, PostgreSQL takes the last.
  const all = (name: string, isRight: (value: string) => boolean): boolean => {
    const values = texts.filter((_, at) => at % 2 === 1 && texts[at - 1] === name);
    return values.length > 0 && values.every(isRight);
  };
  return (
    all('replication', (value) => PHYSICAL.includes(value.toLowerCase())) &&
    all('user', (value) => value === REPLICATION_ROLE)
  );
};

const notReplication = (): Refused =>
  new Refused(
    'forbidden',
    `only connections for physical replication as ${REPLICATION_ROLE} go through the agents`,
    'connect as pg_basebackup, pg_receivewal and primary_conninfo do',
  );

/** A connection that failed, as PostgreSQL's own clients show it: connection_failure. */
const SQLSTATE = '08006';

/** The error as PostgreSQL's protocol has it. Its tools show it, and a standby writes it to its log. */
export const errorResponse = (thrown: unknown): Buffer => {
  const { message, remedy } = toColdspareError(thrown);
  const fields = ['SFATAL', 'VFATAL', `C${SQLSTATE}`, `Mcoldspare: ${message}`, `H${remedy}`];
  const body = Buffer.from(`${fields.join('\0')}\0\0`);
  const header = Buffer.from('E\0\0\0\0');
  header.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([header, body]);
};
