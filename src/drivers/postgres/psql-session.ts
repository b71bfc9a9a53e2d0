import { randomUUID } from 'node:crypto';
import { ColdspareError } from '../../domain/errors.js';
import { remedyOf } from './remedies.js';
import { connectedTool, type Server, toolEnv } from './server.js';

/** Milliseconds between the end of its input and the kill. */
const CLOSE_MS = 1_000;

/** What the role's or the database's own settings would change. In this order. */
const ownSettings = (timeout: number): string =>
  [
    // Or a function of the app could pass for one of PostgreSQL's, and would run with our rights.
    'SET search_path = pg_catalog',
    `SET statement_timeout = ${timeout}`,
    // Since PostgreSQL 17. It ends a single statement, too.
    `SELECT set_config('transaction_timeout', '0', false) WHERE current_setting('server_version_num')::int >= 170000`,
    'SET synchronous_commit = on',
  ].join('\n;\n');

/**
 * One connection, held by one `psql`. SQL goes through its stdin, so that no process list shows it. One call at a
 * time. Every method throws ColdspareError `database-failed` with the server's message and the SQLSTATE as its value,
 * or `database-unreachable` when there is no connection or it breaks.
 */
export interface PsqlSession {
  /** The rows of one SELECT. Select a bigint as text: it travels as JSON. */
  select<Row>(query: string): Promise<Row[]>;
  /** The first row of a SELECT that always has one. */
  row<Row>(query: string): Promise<Row>;
  /** Runs one statement. */
  run(statement: string): Promise<void>;
  /**
   * Lets the server end every statement after `timeout` milliseconds, because it does not notice when its client is
   * killed, and no statement find anything but PostgreSQL's own objects by a bare name.
   */
  limit(timeout: number): Promise<void>;
  /** Ends the connection, and rolls back an open transaction. Safe to repeat. Never rejects. */
  close(): Promise<void>;
}

export interface SessionOptions {
  /** Milliseconds for the whole session. */
  timeout: number;
  signal?: AbortSignal | undefined;
}

/** Runs `use` in a session with `database`, and closes the session in any case. */
export const withSession = async <T>(
  server: Server,
  database: string,
  options: SessionOptions,
  use: (session: PsqlSession) => Promise<T>,
): Promise<T> => {
  const session = openSession(server, database, options);
  try {
    await session.limit(options.timeout);
    return await use(session);
  } finally {
    await session.close();
  }
};

/** A session without a limit for its statements. It is ended when its time is up. */
export const openSession = (
  server: Server,
  database: string,
  options: SessionOptions,
): PsqlSession => {
  options.signal?.throwIfAborted();
  const child = server.executor.open(
    connectedTool(server, 'psql', database, ['-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=0']),
    { ...options, env: toolEnv(server) },
  );
  const mark = randomUUID();
  let output = '';
  let onMore = () => {};
  let ended: string | undefined;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    onMore();
  });
  void child.ended.then((reason) => {
    ended = reason;
    onMore();
  });

  const ask = (sql: string): Promise<string> =>
    new Promise((resolve, reject) => {
      onMore = () => {
        const answer = readAnswer(output, mark);
        if (answer === undefined && ended === undefined) return;
        onMore = () => {};
        output = '';
        if (answer === undefined) {
          reject(options.signal?.aborted ? options.signal.reason : broken(server, ended));
        } else if (answer.sqlstate === undefined) {
          resolve(answer.output);
        } else {
          reject(failed(answer.message, answer.sqlstate));
        }
      };
      child.stdin.write(
        `${sql}\n;\n\\echo ${mark} :ERROR :SQLSTATE\n\\echo :LAST_ERROR_MESSAGE\n\\echo ${mark}\n`,
      );
      onMore();
    });

  const select = async <Row>(query: string) =>
    JSON.parse(await ask(`SELECT coalesce(json_agg(q), '[]') FROM (${query}) q`)) as Row[];

  return {
    select,
    row: async <Row>(query: string) => {
      const [row] = await select<Row>(query);
      if (row === undefined) throw failed('the query returned no row', '02000');
      return row;
    },
    run: async (statement) => {
      await ask(statement);
    },
    limit: async (timeout) => {
      await ask(ownSettings(timeout));
    },
    close: async () => {
      child.stdin.end();
      const killer = setTimeout(() => child.kill(), CLOSE_MS);
      await child.ended;
      clearTimeout(killer);
    },
  };
};

/** What psql printed for one statement; undefined until it has printed all of it. */
const readAnswer = (printed: string, mark: string) => {
  if (!printed.endsWith(`\n${mark}\n`)) return undefined;
  const end = printed.lastIndexOf(`${mark} `);
  const [status = '', ...message] = printed.slice(end + mark.length + 1).split('\n');
  const [isError, sqlstate = ''] = status.split(' ');
  return {
    output: printed.slice(0, end),
    sqlstate: isError === 'true' ? sqlstate : undefined,
    message: message.slice(0, -2).join('\n'),
  };
};

const failed = (message: string, sqlstate: string) =>
  new ColdspareError(
    'database-failed',
    `PostgreSQL refused: ${message}`,
    remedyOf(message) ?? "see PostgreSQL's log, settle what it reports, then repeat the operation",
    { value: { sqlstate } },
  );

const broken = (server: Server, reason = ''): ColdspareError => {
  // The server is there, and refuses the connection.
  const [, refusal] = /FATAL: *([\s\S]*)/.exec(reason) ?? [];
  if (refusal !== undefined) return failed(refusal, '');
  return new ColdspareError(
    'database-unreachable',
    `PostgreSQL at ${server.host}:${server.port} does not answer: ${reason}`,
    'check that the database service runs and that DB_HOST and DB_PORT are right',
    { value: { host: server.host, port: server.port } },
  );
};

/** The SQLSTATE of what the server refused; undefined for any other error. */
export const sqlstateOf = (error: unknown): string | undefined =>
  error instanceof ColdspareError && error.code === 'database-failed'
    ? (error.value as { sqlstate?: string } | undefined)?.sqlstate
    : undefined;
