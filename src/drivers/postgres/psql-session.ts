import { randomUUID } from 'node:crypto';
import { ColdspareError } from '../../domain/errors.js';
import { connectedTool, type Server } from './tools.js';

/** How long a session may take to say goodbye before it is killed. */
const GOODBYE_MS = 1_000;

/**
 * One connection, kept by one `psql`: SQL goes through its stdin, so it shows in no process list. One call at a
 * time. Every method throws ColdspareError `database-failed` with the server's message and, as its value, the
 * SQLSTATE; `database-unreachable` when the connection is not there or breaks.
 */
export interface PsqlSession {
  /** The rows of one SELECT. Select a bigint as text: it travels as JSON. */
  select<Row>(query: string): Promise<Row[]>;
  /** The first row of a SELECT that always has one. */
  row<Row>(query: string): Promise<Row>;
  /** Runs one statement. */
  run(statement: string): Promise<void>;
  /** Cuts every statement after `timeout` milliseconds, on the server's side: it does not notice that its client was killed. */
  limit(timeout: number): Promise<void>;
  /** Ends the connection, and with it a transaction that was not committed. Safe to repeat. */
  close(): Promise<void>;
}

export interface SessionOptions {
  /** Milliseconds for the whole session. */
  timeout: number;
  signal?: AbortSignal | undefined;
}

/** Runs `use` in a session with `database`, and ends the session in any case. */
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

/** One that is not limited yet, and ends when its time is up. */
export const openSession = (
  server: Server,
  database: string,
  options: SessionOptions,
): PsqlSession => {
  options.signal?.throwIfAborted();
  const child = server.executor.open(
    connectedTool(server, 'psql', database, ['-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=0']),
    { ...options, env: server.tools.env() },
  );
  const mark = randomUUID();
  let said = '';
  let onMore = () => {};
  let lastWords: string | undefined;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
    onMore();
  });
  void child.ended.then((words) => {
    lastWords = words;
    onMore();
  });

  const ask = (sql: string): Promise<string> =>
    new Promise((resolve, reject) => {
      onMore = () => {
        const answer = readAnswer(said, mark);
        if (answer === undefined && lastWords === undefined) return;
        onMore = () => {};
        said = '';
        if (answer === undefined) {
          reject(options.signal?.aborted ? options.signal.reason : broken(server, lastWords));
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
      if (row === undefined) throw failed('it has no row for what always has one', '02000');
      return row;
    },
    run: async (statement) => {
      await ask(statement);
    },
    limit: async (timeout) => {
      await ask(`SET statement_timeout = ${timeout}\n;\nSET synchronous_commit = on`);
    },
    close: async () => {
      child.stdin.end();
      const impatience = setTimeout(() => child.kill(), GOODBYE_MS);
      await child.ended;
      clearTimeout(impatience);
    },
  };
};

/** What psql printed for one statement, once it has printed all of it. */
const readAnswer = (said: string, mark: string) => {
  if (!said.endsWith(`\n${mark}\n`)) return undefined;
  const end = said.lastIndexOf(`${mark} `);
  const [status = '', ...message] = said.slice(end + mark.length + 1).split('\n');
  const [isError, sqlstate = ''] = status.split(' ');
  return {
    output: said.slice(0, end),
    sqlstate: isError === 'true' ? sqlstate : undefined,
    message: message.slice(0, -2).join('\n'),
  };
};

const failed = (message: string, sqlstate: string) =>
  new ColdspareError(
    'database-failed',
    `PostgreSQL refused: ${message}`,
    'the log of PostgreSQL says more; repeat the operation when that is settled',
    { value: { sqlstate } },
  );

const broken = (server: Server, lastWords = ''): ColdspareError => {
  // A server that gives a reason is there, and says no.
  const [, refusal] = /FATAL: *([\s\S]*)/.exec(lastWords) ?? [];
  if (refusal !== undefined) return failed(refusal, '');
  return new ColdspareError(
    'database-unreachable',
    `PostgreSQL at ${server.host}:${server.port} does not answer: ${lastWords}`,
    'check that the database service runs and that DB_HOST and DB_PORT are right',
    { value: { host: server.host, port: server.port } },
  );
};

/** The server's code for what it refused; undefined for any other error. */
export const sqlstateOf = (error: unknown): string | undefined =>
  error instanceof ColdspareError && error.code === 'database-failed'
    ? (error.value as { sqlstate?: string } | undefined)?.sqlstate
    : undefined;
