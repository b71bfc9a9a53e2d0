import { createHash } from 'node:crypto';
import type { Config } from '../../src/config/config.js';
import type { Inventory } from './inventory.js';
import { environmentOf, formatEnvironment, type Variables } from './node-environment.js';
import type { Release } from './release.js';
import type { Server } from './server.js';
import { unitFile } from './unit-file.js';

/** What is installed on one server. */
export interface Deployment {
  /** The same on both servers, so that a rollback finds the two that belong together. */
  name: string;
  release: string;
  variables: Variables;
  /** Text of `coldspare.env`. */
  environment: string;
  /** Text of `coldspare.service`. */
  unit: string;
  config: Config;
}

export interface Target {
  server: Server;
  deployment: Deployment;
}

/** The variable that tells which deployment a running agent was started from. */
export const DEPLOYMENT_VARIABLE = 'COLDSPARE_DEPLOYMENT';

/** The deployment of each server. @throws Stop when an agent would not start with its variables */
export const planDeployments = (
  inventory: Inventory,
  servers: readonly Server[],
  release: Release,
  secrets: Variables,
): Target[] => {
  const parts = servers.map((server) => {
    const { variables, config } = environmentOf(inventory, server.settings, secrets);
    const unit = unitFile({ inventory, layout: server.layout, config, node: server.node });
    return { server, variables, config, unit };
  });
  const digest = createHash('sha256').update(release.name);
  for (const { variables, unit } of parts) digest.update(formatEnvironment(variables)).update(unit);
  const name = `${release.version}-${digest.digest('hex').slice(0, 12)}`;
  return parts.map(({ server, variables, config, unit }) => ({
    server,
    deployment: {
      name,
      release: release.name,
      variables,
      environment: formatEnvironment({ ...variables, [DEPLOYMENT_VARIABLE]: name }),
      unit,
      config,
    },
  }));
};
