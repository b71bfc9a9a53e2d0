import { healthSchema, isPrimarySchema, isStandbySchema } from '../../domain/answers.js';
import { isReady, isServing } from '../../serve/serving.js';
import { problems } from '../../status/node-status.js';
import { roleOf } from '../epoch.js';
import type { Route } from '../route.js';

/** For load balancers and uptime checkers. No key is needed and nothing is probed: they get what was seen last. */
export const healthRoutes: Route[] = [
  {
    method: 'GET',
    answersOptions: true,
    path: '/health',
    clients: [],
    about: {
      summary: 'Does this node do its job?',
      answers: { 200: healthSchema, 503: healthSchema },
    },
    handle: (c, node) => {
      const found = problems(node);
      const body = {
        status: found.length === 0 ? 'ok' : 'failing',
        node: node.settings.nodeName,
        role: roleOf(node),
        serving: isServing(node),
        problems: found,
      };
      return c.json(body, found.length === 0 ? 200 : 503);
    },
  },
  {
    method: 'GET',
    answersOptions: true,
    path: '/primary',
    clients: [],
    about: {
      summary: 'For load balancers: 200 while users may be sent here',
      answers: { 200: isPrimarySchema, 503: isPrimarySchema },
    },
    handle: (c, node) => {
      const primary = isReady(node);
      return c.json({ primary }, primary ? 200 : 503);
    },
  },
  {
    method: 'GET',
    answersOptions: true,
    path: '/standby',
    clients: [],
    about: {
      summary: '200 while this node stands by',
      answers: { 200: isStandbySchema, 503: isStandbySchema },
    },
    handle: (c, node) => {
      const standby = node.state.current.mode === 'standby';
      return c.json({ standby }, standby ? 200 : 503);
    },
  },
];
