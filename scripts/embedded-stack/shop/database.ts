import pg from 'pg';

/** Milliseconds. Short, so that a request gets an error and not a hang when the database does not answer. */
const CONNECT_TIMEOUT = 2_000;
const QUERY_TIMEOUT = 5_000;

export interface Coffee {
  id: number;
  name: string;
  /** In cents. */
  price: number;
}

export interface Order {
  id: number;
  coffeeId: number;
  quantity: number;
  placedBy: string;
}

export const openPool = (url: string): pg.Pool => {
  const pool = new pg.Pool({
    connectionString: url,
    max: 5,
    connectionTimeoutMillis: CONNECT_TIMEOUT,
    query_timeout: QUERY_TIMEOUT,
  });
  // A database that stops drops idle connections; unheard, that would end the app.
  pool.on('error', (error) => console.error(`lost an idle connection: ${error.message}`));
  return pool;
};

const TABLES = `
  CREATE TABLE IF NOT EXISTS coffees (
    id serial PRIMARY KEY,
    name text NOT NULL UNIQUE,
    price integer NOT NULL
  );
  CREATE TABLE IF NOT EXISTS orders (
    id serial PRIMARY KEY,
    coffee_id integer NOT NULL REFERENCES coffees,
    quantity integer NOT NULL CHECK (quantity > 0),
    placed_by text NOT NULL DEFAULT 'guest',
    placed_at timestamptz NOT NULL DEFAULT now()
  );
`;

const SEEDS = `
  INSERT INTO coffees (name, price) VALUES
    ('Espresso', 250), ('Cappuccino', 350), ('Latte', 400), ('Filter', 300);
  INSERT INTO orders (coffee_id, quantity, placed_by) VALUES
    (1, 1, 'seed'), (2, 2, 'seed'), (3, 3, 'seed');
`;

/** Creates the tables, and fills an empty database with seeds, as many an app does when it starts. */
export const migrate = async (pool: pg.Pool): Promise<void> => {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    await client.query(TABLES);
    const { rowCount } = await client.query('SELECT FROM coffees LIMIT 1');
    if (rowCount === 0) await client.query(SEEDS);
    await client.query('COMMIT');
  } finally {
    // Closed, not returned: after a failure its transaction is still open.
    client.release(true);
  }
};

export const listCoffees = async (pool: pg.Pool): Promise<Coffee[]> =>
  (await pool.query<Coffee>('SELECT id, name, price FROM coffees ORDER BY id')).rows;

const ORDER = 'id, coffee_id AS "coffeeId", quantity, placed_by AS "placedBy"';

export const listOrders = async (pool: pg.Pool): Promise<Order[]> =>
  (await pool.query<Order>(`SELECT ${ORDER} FROM orders ORDER BY id`)).rows;

/** Undefined when there is no such coffee. */
export const placeOrder = async (
  pool: pg.Pool,
  coffeeId: number,
  quantity: number,
): Promise<Order | undefined> => {
  const { rows } = await pool.query<Order>(
    `INSERT INTO orders (coffee_id, quantity)
     SELECT id, $2 FROM coffees WHERE id = $1 RETURNING ${ORDER}`,
    [coffeeId, quantity],
  );
  return rows[0];
};
