import { z } from 'zod';
import { backups } from './groups/backups.js';
import { checks } from './groups/checks.js';
import { database } from './groups/database.js';
import { keys } from './groups/keys.js';
import { node } from './groups/node.js';
import { notify } from './groups/notify.js';
import { policies } from './groups/policies.js';
import { replication } from './groups/replication.js';
import { ssh } from './groups/ssh.js';
import { app, compose, embedded, host } from './groups/stack.js';
import { tls } from './groups/tls.js';
import { webhooks } from './groups/webhooks.js';
import type { Group, Variable } from './variable.js';

const groups = [
  node,
  keys,
  app,
  database,
  compose,
  host,
  embedded,
  checks,
  policies,
  backups,
  replication,
  webhooks,
  notify,
  ssh,
  tls,
] as const;

/** Every variable that the agent reads, in the order of `.env.example`. */
export const GROUPS: readonly Group[] = groups;

type Definitions = (typeof groups)[number]['variables'];
type NameIn<Each> = Each extends unknown ? keyof Each : never;
type SchemaIn<Each, Name extends PropertyKey> =
  Each extends Record<Name, { schema: infer Schema extends z.ZodType }> ? Schema : never;
type Schemas = { [Name in NameIn<Definitions>]: SchemaIn<Definitions, Name> };

const variables: [name: string, Variable][] = GROUPS.flatMap((group) =>
  Object.entries(group.variables),
);

export const environmentSchema = z.object(
  Object.fromEntries(variables.map(([name, { schema }]) => [name, schema])) as Schemas,
);

/** Variables whose values are never shown. */
export const SECRETS: readonly string[] = variables
  .filter(([, { secret }]) => secret)
  .map(([name]) => name);
