// A small app that is not the sample: it keeps a ledger, and its migration seeds an empty database.
import { createServer } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';

const pool = new pg.Pool({
  connectionString: process.env.DATABASE_URL,
  max: 4,
  connectionTimeoutMillis: 2_000,
});
pool.on('error', () => {});

const migrate = async () => {
  await pool.query(
    'CREATE TABLE IF NOT EXISTS entries (id serial PRIMARY KEY, text text NOT NULL)',
  );
  const { rows } = await pool.query('SELECT count(*)::int AS count FROM entries');
  if (rows[0].count === 0) await pool.query("INSERT INTO entries (text) VALUES ('SEED')");
};

const read = async (request) => {
  let text = '';
  for await (const chunk of request) text += chunk;
  return JSON.parse(text);
};

/** Who answers is in the header: behind a load balancer, nothing else would tell. */
const answer = (response, status, body) =>
  response
    .writeHead(status, { 'content-type': 'application/json', 'ledger-port': process.env.PORT })
    .end(JSON.stringify(body));

const server = createServer(async (request, response) => {
  try {
    if (request.method === 'POST' || request.method === 'PUT') {
      const { text } = await read(request);
      const { rows } = await pool.query(
        'INSERT INTO entries (text) VALUES ($1) RETURNING id, text',
        [text],
      );
      answer(response, 201, rows[0]);
    } else {
      const { rows } = await pool.query('SELECT id, text FROM entries ORDER BY id');
      answer(response, 200, rows);
    }
  } catch (error) {
    answer(response, 503, { error: String(error) });
  }
});

// A connection that stays, as a WebSocket does.
server.on('upgrade', (request, socket) => {
  socket.on('error', () => {});
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: ${request.headers.upgrade}\r\n`);
  socket.write(`Connection: Upgrade\r\nLedger-Port: ${process.env.PORT}\r\n\r\n`);
});

await migrate();
// An app that warms up for long: its database is in use before it answers anybody.
await pause(Number(process.env.LEDGER_WARM_UP_MS ?? 0));
server.listen(Number(process.env.PORT), process.env.LEDGER_HOST ?? '127.0.0.1');
