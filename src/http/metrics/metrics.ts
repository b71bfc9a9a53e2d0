import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Node } from '../../operations/node.js';
import { createGauges } from './gauges.js';
import { countOperations } from './operations.js';
import { countTunnels } from './tunnels.js';

/** The metrics of one node. They hold no addresses, reasons or errors, because everybody may read them. */
export interface Metrics {
  registry: Registry;
  /** As of now. Nothing is probed for it: values are those that the node saw last. */
  text(): Promise<string>;
}

/** Counts from now on every operation of `node` that ends. */
export const createMetrics = (node: Node): Metrics => {
  const registry = new Registry();
  const updateGauges = createGauges(node, registry);
  countOperations(node.runner, registry);
  if (node.tunnels !== undefined) countTunnels(node.tunnels, registry);
  return {
    registry,
    text: () => {
      updateGauges();
      return registry.metrics();
    },
  };
};

/** Memory, CPU and event loop lag of the process. For one registry per process. */
export const measureProcess = (registry: Registry): void => {
  collectDefaultMetrics({ register: registry });
  for (const name of UNWANTED) registry.removeSingleMetric(name);
};

const UNWANTED = [
  // The version of Node would help an attacker.
  'nodejs_version_info',
  // Gauges with names of counters.
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];
