import { createHash, timingSafeEqual } from 'node:crypto';
import { ColdspareError } from '../domain/errors.js';
import type { Clock } from '../ports/clock.js';
import type { Log } from '../ports/log.js';
import { createWrongKeys } from './auth-rate-limit.js';
import type { Door, HttpContext, Route } from './route.js';

export type Tokens = Record<Door, string>;

/** Finds the door that a key opens, in the same time whichever it is and however much of it is right. */
export const createDoors = (tokens: Tokens, node: { clock: Clock; log: Log }) => {
  const countWrongKey = createWrongKeys(node);
  const locks = Object.entries(tokens).map(([door, token]) => ({
    door: door as Door,
    digest: digestOf(token),
  }));
  const doorOf = (key: string): Door | undefined => {
    const digest = digestOf(key);
    return locks.filter((lock) => timingSafeEqual(lock.digest, digest))[0]?.door;
  };

  /** The door this request came through. @throws ColdspareError `unauthorized`, `too-many-attempts`, `certificate-needed`, `forbidden` */
  return (c: HttpContext, { doors }: Pick<Route, 'doors'>): Door | undefined => {
    if (doors.length === 0) return undefined;
    const key = keyOf(c);
    const door = key === undefined ? queryDoor(c, doors, doorOf) : doorOf(key);
    if (door === undefined) {
      const wasGiven = key !== undefined || c.req.query('token') !== undefined;
      if (wasGiven) countWrongKey(c.env.address);
      throw unauthorized(doors, wasGiven);
    }
    c.env.isKnown();
    if (door === 'peer' && !c.env.isCertified) throw certificateNeeded();
    if (!doors.includes(door)) throw forbidden(c, door, doors);
    return door;
  };
};

const digestOf = (text: string): Buffer => createHash('sha256').update(text).digest();

const keyOf = (c: HttpContext): string | undefined => {
  const authorization = c.req.header('Authorization');
  if (authorization === undefined) return undefined;
  return /^Bearer +(\S+)$/i.exec(authorization)?.[1] ?? '';
};

/** Some checkers cannot set headers. A query ends up in other programs' logs, so it opens the smallest door only. */
const queryDoor = (
  c: HttpContext,
  doors: readonly Door[],
  doorOf: (key: string) => Door | undefined,
): Door | undefined => {
  if (!doors.includes('webhook')) return undefined;
  const door = doorOf(c.req.query('token') ?? '');
  return door === 'webhook' ? door : undefined;
};

const unauthorized = (doors: readonly Door[], wasGiven: boolean): ColdspareError =>
  new ColdspareError(
    'unauthorized',
    wasGiven ? 'this key opens no door here' : 'a key is needed',
    `send "Authorization: Bearer …" with ${doors.map(nameOf).join(' or ')}`,
  );

const certificateNeeded = (): ColdspareError =>
  new ColdspareError(
    'certificate-needed',
    'the key is right, but no certificate of TLS_CA came with it',
    'set TLS_CERT, TLS_KEY and TLS_CA on both nodes: both certificates come from the same TLS_CA, for servers and clients',
  );

const forbidden = (c: HttpContext, door: Door, doors: readonly Door[]): ColdspareError =>
  new ColdspareError(
    'forbidden',
    `the ${door} key does not open ${c.req.method} ${c.req.path}`,
    `use ${doors.map(nameOf).join(' or ')}`,
    { value: door },
  );

const nameOf = (door: Door): string => `${door.toUpperCase()}_TOKEN`;
