import { existsSync, readFileSync } from 'node:fs';
import { parse } from 'dotenv';
import { z } from 'zod';
import { EXIT, Failure } from './failure.js';
import type { TlsSettings } from './tls.js';

/** Options of every command. */
export interface GlobalOptions {
  env?: string;
  url?: string;
  peer?: boolean;
  json?: boolean;
}

export interface Settings {
  /** The agent that is asked. */
  url: URL;
  /** ADMIN_TOKEN. */
  token: string;
  /** The other agent, from PEER_URL. */
  peerUrl: URL | undefined;
  /** Where the token came from, for the message about a wrong one. */
  source: string;
  /** This node's agent. */
  own: URL;
  tls: TlsSettings;
}

const url = z.url({ protocol: /^https?$/, error: 'must be a URL such as http://10.0.0.3:8080' });

/** The variables of an agent that the command line needs. */
const variablesSchema = z.object({
  HOST: z.string().min(1).default('0.0.0.0'),
  PORT: z.string().regex(/^\d+$/, 'must be a port').default('8080'),
  ADMIN_TOKEN: z.string().min(1).optional(),
  PEER_URL: url.optional(),
  COLDSPARE_URL: url.optional(),
  TLS_CERT: z.string().optional(),
  TLS_CA: z.string().optional(),
});

/**
 * Reads the agent's `.env`: from this directory, COLDSPARE_ENV or `--env`. Environment variables take precedence, as
 * they do for the agent. @throws Failure `usage`
 */
export const readSettings = (
  { env, url: asked, peer }: GlobalOptions,
  environment: NodeJS.ProcessEnv,
): Settings => {
  const named = env ?? environment.COLDSPARE_ENV;
  const file = named ?? '.env';
  const variables = parseVariables(
    { ...readFile(file, named !== undefined), ...environment },
    file,
  );
  const { ADMIN_TOKEN: token, PEER_URL, COLDSPARE_URL, TLS_CERT, TLS_CA } = variables;
  if (token === undefined) {
    throw usage(
      `ADMIN_TOKEN is neither in the environment nor in ${file}`,
      "run it in the directory of the agent's .env, or name that file: --env FILE",
    );
  }
  if (peer && PEER_URL === undefined)
    throw usage(`--peer: PEER_URL is not in ${file}`, 'name the other agent: --url URL');
  const own = ownUrl(variables);
  const chosen = asked ?? (peer ? PEER_URL : COLDSPARE_URL) ?? own;
  if (!url.safeParse(chosen).success)
    throw usage(
      `--url ${chosen} is not the URL of an agent`,
      'use one such as http://10.0.0.3:8080',
    );
  return {
    url: new URL(chosen),
    token,
    peerUrl: PEER_URL === undefined ? undefined : new URL(PEER_URL),
    source: environment.ADMIN_TOKEN ? 'the environment' : file,
    own: new URL(own),
    tls: {
      ...(TLS_CERT !== undefined && { certificate: readText(TLS_CERT) }),
      ...(TLS_CA !== undefined && { authority: readText(TLS_CA) }),
    },
  };
};

const ownUrl = ({ HOST, PORT, TLS_CERT }: z.output<typeof variablesSchema>): string => {
  const host = HOST.replace(/^(0\.0\.0\.0|::)$/, '127.0.0.1');
  const scheme = TLS_CERT === undefined ? 'http' : 'https';
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${PORT}`;
};

const readFile = (file: string, isNamed: boolean): Record<string, string> =>
  isNamed || existsSync(file) ? parse(readText(file)) : {};

const readText = (file: string): string => {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw usage(
      `${file} cannot be read (${code})`,
      code === 'EACCES' ? 'only root may read it: sudo coldspare …' : 'check the file name',
    );
  }
};

const parseVariables = (given: NodeJS.ProcessEnv, file: string) => {
  // An empty variable counts as not set.
  const set = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== ''));
  const parsed = variablesSchema.safeParse(set);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw usage(`${issue?.path.join('.')}: ${issue?.message}`, `correct it in ${file}`);
};

const usage = (message: string, remedy: string): Failure =>
  new Failure(EXIT.usage, 'usage', message, remedy);
