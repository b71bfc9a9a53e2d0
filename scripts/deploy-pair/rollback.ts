import { posix } from 'node:path';
import type { Staged } from './activate.js';
import type { Server } from './server.js';
import { Stop } from './stop.js';
import { type Survey, survey } from './survey.js';

/**
 * The deployment before, with its program, its environment and its unit.
 * @throws Stop when there is none, or the servers do not have the same one
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
 * A deployment that was not proven gives way to the one that was, also where it came to one server only; a proven one
 * to the one before. @throws Stop when the servers do not agree which that is
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
