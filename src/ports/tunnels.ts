import type { Duplex } from 'node:stream';

/** One open connection of PostgreSQL's replication, as it goes through this agent. */
interface OpenTunnel {
  /** Milliseconds since 1970. */
  since: number;
  /** Bytes that went to the other agent, and that came from it. */
  sent: number;
  received: number;
}

/** Since the agent's start, with the tunnels that have ended. */
interface TunnelAccount {
  /** Oldest first. */
  open: readonly OpenTunnel[];
  sent: number;
  received: number;
}

/** Makes a connection, unless the signal is aborted first. */
export type Connect = (signal: AbortSignal) => Promise<Duplex>;

/**
 * Carries the connections of PostgreSQL's replication between the two agents, so that no port is opened for them. What
 * goes over the network is framed and has a heartbeat: each side notices within seconds that the other one is gone.
 */
export interface Tunnels {
  /**
   * The primary's end: takes one of the few places and connects to PostgreSQL here. What this resolves to joins that
   * connection with the one to the other agent; it never throws, and has to be called once.
   * @throws Refused `busy` without a free place, or the error of `connect`
   */
  open(connect: Connect, signal: AbortSignal): Promise<(remote: Duplex) => void>;
  /**
   * The standby's end: a Unix socket for `host=DIRECTORY` of PostgreSQL and its tools. Each connection to it goes
   * through one that `dial` makes. If that fails, PostgreSQL is told why.
   * @throws ColdspareError `busy`, `invalid-request` when the socket cannot be had
   */
  listen(dial: Connect): Promise<void>;
  account(): TunnelAccount;
  /** Ends the socket and all tunnels. Resolves once they are closed. */
  close(): Promise<void>;
}
