import { createHash, createHmac, pbkdf2Sync, randomBytes, timingSafeEqual } from 'node:crypto';
import type { PsqlSession } from '../psql-session.js';
import { literal } from '../sql.js';

/** Has the right of REPLICATION and no other. */
export const REPLICATION_ROLE = 'coldspare_replication';

const ITERATIONS = 4096;
const SALT_BYTES = 16;
const KEY_BYTES = 32;

/** Both agents derive the same one, so that nobody has to send it. */
export const replicationPassword = (peerToken: string): string =>
  createHmac('sha256', peerToken).update('replication role').digest('hex');

const hmac = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();

/** As PostgreSQL stores a password: the password itself is in no statement, and so in no log. */
const verifierOf = (password: string, salt: Buffer, iterations: number): string => {
  const salted = pbkdf2Sync(password, salt, iterations, KEY_BYTES, 'sha256');
  const stored = createHash('sha256').update(hmac(salted, 'Client Key')).digest('base64');
  const server = hmac(salted, 'Server Key').toString('base64');
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${stored}:${server}`;
};

const isVerifierOf = (verifier: string, password: string): boolean => {
  const [, iterations = '', salt = ''] = /^SCRAM-SHA-256\$(\d+):([^$]+)\$/.exec(verifier) ?? [];
  if (iterations === '') return false;
  const expected = verifierOf(password, Buffer.from(salt, 'base64'), Number(iterations));
  return (
    expected.length === verifier.length &&
    timingSafeEqual(Buffer.from(expected), Buffer.from(verifier))
  );
};

/** Makes the role, or gives it the password of a PEER_TOKEN that has changed. */
export const makeReplicationRole = async (
  session: PsqlSession,
  password: string,
): Promise<void> => {
  const [role] = await session.select<{ verifier: string | null }>(
    `SELECT rolpassword AS verifier FROM pg_authid WHERE rolname = ${literal(REPLICATION_ROLE)}
       AND rolcanlogin AND rolreplication`,
  );
  if (isVerifierOf(role?.verifier ?? '', password)) return;
  const verifier = literal(verifierOf(password, randomBytes(SALT_BYTES), ITERATIONS));
  const [exists] = await session.select(
    `SELECT 1 AS one FROM pg_roles WHERE rolname = ${literal(REPLICATION_ROLE)}`,
  );
  const verb = exists === undefined ? 'CREATE' : 'ALTER';
  await session.run(`${verb} ROLE ${REPLICATION_ROLE} LOGIN REPLICATION PASSWORD ${verifier}`);
};
