import { createHash, timingSafeEqual } from 'node:crypto';
import { ColdspareError } from '../domain/errors.js';
import type { Clock } from '../ports/clock.js';
import type { Log } from '../ports/log.js';
import { createAuthRateLimit } from './auth-rate-limit.js';
import type { Client, HttpContext, Route } from './route.js';
import { splitQuery } from './webhook-query.js';

export type Tokens = Record<Client, string>;

/** Finds out who calls. Keys are compared in constant time. */
export const createAuth = (tokens: Tokens, node: { clock: Clock; log: Log }) => {
  const countWrongKey = createAuthRateLimit(node);
  const known = Object.entries(tokens).map(([client, token]) => ({
    client: client as Client,
    digest: digestOf(token),
  }));
  const findClient = (key: string): Client | undefined => {
    const digest = digestOf(key);
    return known.filter((one) => timingSafeEqual(one.digest, digest))[0]?.client;
  };

  /** Who calls; undefined on a route that is open to all. @throws ColdspareError `unauthorized`, `too-many-attempts`, `certificate-needed`, `forbidden` */
  return (c: HttpContext, { clients }: Pick<Route, 'clients'>): Client | undefined => {
    if (clients.length === 0) return undefined;
    const key = keyOf(c);
    const { token } = splitQuery(c.req.url);
    // A proxy may have put its own Authorization there.
    const client =
      (key === undefined ? undefined : findClient(key)) ??
      clientOfQuery(token, clients, findClient);
    if (client === undefined) {
      const wasGiven = c.req.header('Authorization') !== undefined || token !== undefined;
      if (wasGiven) countWrongKey(c.env.address);
      throw unauthorized(clients, wasGiven);
    }
    c.env.onAuthenticated();
    if (client === 'peer' && !c.env.isCertified) throw certificateNeeded();
    if (!clients.includes(client)) throw forbidden(c, client, clients);
    return client;
  };
};

const digestOf = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Another scheme than Bearer is no key. */
const keyOf = (c: HttpContext): string | undefined =>
  /^Bearer +(\S+)$/i.exec(c.req.header('Authorization') ?? '')?.[1];

/** Some checkers cannot set headers. Queries end up in logs of proxies, so only the webhook key is accepted there. */
const clientOfQuery = (
  token: string | undefined,
  clients: readonly Client[],
  findClient: (key: string) => Client | undefined,
): Client | undefined => {
  if (token === undefined || !clients.includes('webhook')) return undefined;
  const client = findClient(token);
  return client === 'webhook' ? client : undefined;
};

const unauthorized = (clients: readonly Client[], wasGiven: boolean): ColdspareError =>
  new ColdspareError(
    'unauthorized',
    wasGiven ? 'this key is not valid here' : 'a key is needed',
    `send "Authorization: Bearer …" with ${clients.map(nameOf).join(' or ')}`,
  );

const certificateNeeded = (): ColdspareError =>
  new ColdspareError(
    'certificate-needed',
    'the key is right, but no certificate of TLS_CA came with it',
    'set TLS_CERT, TLS_KEY and TLS_CA on both nodes: both certificates come from the same TLS_CA, for servers and clients',
  );

const forbidden = (c: HttpContext, client: Client, clients: readonly Client[]): ColdspareError =>
  new ColdspareError(
    'forbidden',
    `the ${client} key is not accepted by ${c.req.method} ${c.req.path}`,
    `use ${clients.map(nameOf).join(' or ')}`,
    { value: client },
  );

const nameOf = (client: Client): string => `${client.toUpperCase()}_TOKEN`;
