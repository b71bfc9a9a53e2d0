// The reference application: a coffee shop whose start-up migration seeds an empty database.
import { createServer } from 'node:http';
import pg from 'pg';

const pool = new pg.Pool({
  connectionString: process.env.DATABASE_URL,
  max: 4,
  connectionTimeoutMillis: 2_000,
});
pool.on('error', () => {});

const migrate = async () => {
  await pool.query(`
    CREATE TABLE IF NOT EXISTS coffees (id serial PRIMARY KEY, name text NOT NULL, price numeric(6,2) NOT NULL);
    CREATE TABLE IF NOT EXISTS orders (
      id serial PRIMARY KEY, coffee_id int NOT NULL REFERENCES coffees, quantity int NOT NULL CHECK (quantity > 0));
  `);
  const { rows } = await pool.query('SELECT count(*)::int AS count FROM coffees');
  if (rows[0].count > 0) return;
  await pool.query(`
    INSERT INTO coffees (name, price) VALUES ('Espresso', 2.20), ('Flat White', 3.60), ('Filter', 2.80)`);
};

const read = async (request) => {
  let text = '';
  for await (const chunk of request) text += chunk;
  return JSON.parse(text);
};

const routes = {
  'GET /coffees': async () => [
    200,
    (await pool.query('SELECT id, name, price FROM coffees ORDER BY id')).rows,
  ],
  'GET /orders': async () => [
    200,
    (await pool.query('SELECT id, coffee_id AS "coffeeId", quantity FROM orders ORDER BY id')).rows,
  ],
  'POST /order': async (request) => {
    const { coffeeId, quantity } = await read(request);
    const { rows } = await pool.query(
      'INSERT INTO orders (coffee_id, quantity) VALUES ($1, $2) RETURNING id, coffee_id AS "coffeeId", quantity',
      [coffeeId, quantity],
    );
    return [201, rows[0]];
  },
};

const server = createServer(async (request, response) => {
  const route = routes[`${request.method} ${request.url}`];
  const [status, body] = await (
    route?.(request) ?? Promise.resolve([404, { error: 'not found' }])
  ).catch((error) => [503, { error: String(error) }]);
  response
    .writeHead(status, {
      'content-type': 'application/json',
      'x-version': process.env.VERSION ?? '',
    })
    .end(JSON.stringify(body));
});

// As process 1 of a container it would ignore the signal otherwise.
process.on('SIGTERM', () => process.exit(0));
await migrate();
server.listen(Number(process.env.PORT ?? 3000));
