// Writes to the database all the time, and has no port where anybody could ask whether it runs.
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';

const client = new pg.Client();
await client.connect();
await client.query('CREATE TABLE IF NOT EXISTS ticks (at timestamptz NOT NULL)');
for (;;) {
  await client.query('INSERT INTO ticks VALUES (now())');
  await pause(100);
}
