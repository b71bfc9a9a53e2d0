import { Counter, Gauge, type Registry } from 'prom-client';
import type { Tunnels } from '../../ports/tunnels.js';

/** The replication connections that go through this agent. */
export const countTunnels = (tunnels: Tunnels, registry: Registry): void => {
  const registers = [registry];
  new Gauge({
    name: 'coldspare_replication_connections',
    help: 'Connections of PostgreSQL replication that go through this agent now.',
    registers,
    collect() {
      this.set(tunnels.account().open.length);
    },
  });
  new Counter({
    name: 'coldspare_replication_bytes_total',
    help: 'Bytes of PostgreSQL replication, to the other agent (sent) and from it (received).',
    labelNames: ['direction'],
    registers,
    collect() {
      const { sent, received } = tunnels.account();
      this.reset();
      this.inc({ direction: 'sent' }, sent);
      this.inc({ direction: 'received' }, received);
    },
  });
};
