import { startSchedules } from '../background/schedules.js';
import { pruneBackups } from '../backups/prune.js';
import type { Config } from '../config/config.js';
import { toColdspareError } from '../domain/errors.js';
import { createApp } from '../http/app.js';
import { createMetrics, measureProcess } from '../http/metrics/metrics.js';
import { type HttpServer, serveHttp } from '../http/server.js';
import { recover } from '../operations/boot/recover.js';
import { createNode, type Drivers } from './create-node.js';

export interface Agent {
  port: number;
  /** Stops the agent but not the app. The next start resumes the running operation. */
  stop(): Promise<void>;
}

/** Starts an agent: reads its state, resumes an interrupted operation, listens, and starts the background tasks. */
export const startAgent = async (config: Config, drivers: Drivers): Promise<Agent> => {
  const node = await createNode(config, drivers);
  const metrics = createMetrics(node);
  measureProcess(metrics.registry);
  await pruneBackups(node).catch((error: unknown) => {
    node.log.warn({ error: toColdspareError(error).message }, 'old backups could not be removed');
  });
  // Before listening: an interrupted operation is resumed before anybody can request another one.
  await recover(node);
  const tokens = {
    peer: config.PEER_TOKEN,
    admin: config.ADMIN_TOKEN,
    webhook: config.WEBHOOK_TOKEN,
  };
  const server: HttpServer = await serveHttp(createApp({ node, tokens, metrics }), {
    host: config.HOST,
    port: config.PORT,
    credentials: node.credentials,
  });
  const { mode, epoch } = node.state.current;
  node.log.info({ node: config.NODE_NAME, port: server.port, mode, epoch }, 'listening');
  await node.tunnels?.listen((signal) => node.peer.openReplication(signal));
  const stopSchedules = startSchedules(node, config);
  return {
    port: server.port,
    stop: async () => {
      await Promise.all([stopSchedules(), node.runner.stop()]);
      await node.tunnels?.close();
      await server.close();
    },
  };
};
