import type { Probe } from '../../src/ports/probe.js';

export interface EmbeddedOptions {
  /** Belongs to this stack alone; databases, logs and the control socket live here. */
  directory: string;
  database: { port: number; user: string; name: string };
  appHealthUrl: string;
  /** JavaScript file that serves on `PORT` from `DATABASE_URL`. */
  appProgram: string;
  probe: Probe;
  timeouts: EmbeddedTimeouts;
}

/** Milliseconds. */
interface EmbeddedTimeouts {
  /** Until the database answers a query, its first initialization included. */
  start: number;
  /** Between SIGTERM and SIGKILL. */
  stop: number;
  /** One check whether the database or the app answers. */
  query: number;
  /** A dump, a restore or a swap. */
  transfer: number;
}
