import { posix } from 'node:path';
import type { Staged } from './activate.js';
import type { Server } from './server.js';
import { Stop } from './stop.js';
import { type Survey, survey } from './survey.js';

/**
 * The deployment before the current one, with its program, environment and unit.
 * @throws Stop when there is none, or when the servers have different ones
 */
export const findPrevious = async (servers: readonly Server[]): Promise<Staged[]> => {
  const name = chooseTarget(await Promise.all(servers.map((server) => survey(server))));
  return Promise.all(
    servers.map(async (server) => {
      const file = posix.join(server.layout.deployments, name, 'coldspare.service');
      const unit = await server.read(file);
      if (unit !== undefined) return { server, name, unit };
      throw new Stop(`${server.name}: ${file} is gone`, REDEPLOY);
    }),
  );
};

const REDEPLOY = 'check out the version that you want and deploy it: ./scripts/deploy';

type Links = Pick<Survey, 'name' | 'current' | 'proven' | 'previous'>;

/**
 * The deployment to go back to. From one that was not proven, on both servers or on one, to the proven one; from a
 * proven one to the one before. @throws Stop when the two servers would go back to different ones
 */
export const chooseTarget = (pair: readonly Links[]): string => {
  const isGoingBack = pair.some(({ current, previous }) => current && current === previous);
  const isUnproven = pair.some(({ current, proven }) => current !== proven);
  const targets = pair.map(({ proven, previous }) =>
    isUnproven && !isGoingBack ? proven : previous,
  );
  const [target] = targets;
  if (target !== undefined && targets.every((other) => other === target)) return target;
  const found = pair.map(
    ({ name, current = 'nothing', proven = 'nothing', previous = 'nothing' }) =>
      `${name} has ${current}, proven was ${proven}, before that ${previous}`,
  );
  throw new Stop(`there is no version that both servers had before: ${found.join('; ')}`, REDEPLOY);
};
