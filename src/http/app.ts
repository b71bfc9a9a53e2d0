import { Hono } from 'hono';
import { type ColdspareError, Refused, toColdspareError } from '../domain/errors.js';
import type { Node } from '../operations/node.js';
import { createAuth, type Tokens } from './auth.js';
import { assertProtocol, notePeerEpoch, setEpochHeaders } from './epoch.js';
import type { Metrics } from './metrics/metrics.js';
import { problem } from './problem.js';
import type { HttpContext, HttpEnv, Route } from './route.js';
import { adoptRoutes } from './routes/adopt.js';
import { backupRoutes } from './routes/backups.js';
import { drillRoutes } from './routes/drill.js';
import { healthRoutes } from './routes/health.js';
import { metricsRoutes } from './routes/metrics.js';
import { notifyRoutes } from './routes/notify.js';
import { openapiRoutes } from './routes/openapi.js';
import { operationRoutes } from './routes/operations.js';
import { pageRoutes } from './routes/page.js';
import { pauseRoutes } from './routes/pause.js';
import { peerRoutes } from './routes/peer.js';
import { replicationRoutes } from './routes/replication.js';
import { roleRoutes } from './routes/roles.js';
import { statusRoutes } from './routes/status.js';
import { webhookRoutes } from './routes/webhooks.js';
import { announceRefusal, noteTaken } from './webhook-refusals.js';

/** The whole contract, one line a route. */
export const ROUTES: readonly Route[] = [
  ...healthRoutes,
  ...statusRoutes,
  ...metricsRoutes,
  ...backupRoutes,
  ...roleRoutes,
  ...drillRoutes,
  ...adoptRoutes,
  ...webhookRoutes,
  ...peerRoutes,
  ...replicationRoutes,
  ...operationRoutes,
  ...pauseRoutes,
  ...notifyRoutes,
  ...pageRoutes,
  ...openapiRoutes(() => ROUTES),
];

/** No guessed content types, no frames, no referrers. */
const BROWSER_HEADERS = [
  ['X-Content-Type-Options', 'nosniff'],
  ['X-Frame-Options', 'DENY'],
  ['Referrer-Policy', 'no-referrer'],
] as const;

/** All webhooks together: strangers do not get an announcement for each. */
const WRONG_KEYS = '/webhooks';

interface Served {
  node: Node;
  tokens: Tokens;
  metrics: Metrics;
}

/** The agent's HTTP service over `node`. It does not listen: see server.ts. */
export const createApp = ({ node, tokens, metrics }: Served): Hono<HttpEnv> => {
  // A slash at the end of a path means nothing here.
  const app = new Hono<HttpEnv>({ strict: false });
  const authenticate = createAuth(tokens, node);

  /** A checker with a wrong key is told of as well, but not logged each time: strangers come without one. */
  const identify = (c: HttpContext, route: Route) => {
    const isWebhook = route.path.startsWith('/webhooks/');
    try {
      const client = authenticate(c, route);
      if (isWebhook) noteTaken(node, WRONG_KEYS);
      return client;
    } catch (error) {
      if (isWebhook) announceRefusal(node, WRONG_KEYS, error);
      throw error;
    }
  };

  app.use(async (c, next) => {
    const began = node.clock.elapsed();
    c.set('metrics', metrics);
    await next();
    setEpochHeaders(c, node);
    for (const [name, value] of BROWSER_HEADERS) c.header(name, value);
    logRequest(c, node, node.clock.elapsed() - began);
  });
  for (const route of ROUTES) {
    const methods = [route.method, ...(route.answersOptions ? ['OPTIONS'] : [])];
    app.on(methods, route.path, async (c) => {
      const client = identify(c, route);
      c.set('client', client);
      if (client === 'peer') {
        assertProtocol(c, route);
        await notePeerEpoch(c, node, route);
      }
      const response = await route.handle(c, node);
      // A HEAD's body is not read: close the file or the stream behind it.
      if (c.req.method === 'HEAD') await response.body?.cancel();
      return response;
    });
  }
  for (const path of new Set(ROUTES.map((route) => route.path))) app.all(path, wrongMethod(path));
  app.notFound((c) => problem(noSuchRoute(c)));
  app.onError((thrown, c) => {
    const error = toColdspareError(thrown);
    if (error.code === 'internal') {
      const { method, path } = c.req;
      node.log.error({ method, path, error: thrown }, 'a request failed unexpectedly');
    }
    return problem(error, headersOf(error));
  });
  return app;
};

const headersOf = (error: ColdspareError): Record<string, string> => {
  switch (error.code) {
    case 'unauthorized':
      return { 'WWW-Authenticate': 'Bearer realm="coldspare"' };
    case 'too-many-attempts':
      return { 'Retry-After': String(error.value) };
    case 'method-not-allowed':
      // Every other one is answered by `wrongMethod`.
      return { Allow: 'POST, GET' };
    default:
      return {};
  }
};

/**
 * Logs requests that may change something. Requests without a key change nothing and must not fill the disk. Headers,
 * bodies and queries are never logged, because they may hold keys.
 */
const logRequest = (c: HttpContext, node: Node, ms: number): void => {
  const { method, path } = c.req;
  const who = c.get('client');
  const isReading = method === 'GET' || method === 'HEAD';
  if (who === undefined || (isReading && who !== 'webhook')) return;
  const data = { method, path: path.slice(0, 200), status: c.res.status, ms: Math.round(ms) };
  node.log.info({ ...data, who }, 'request');
};

const wrongMethod = (path: string) => (c: HttpContext) => {
  const allowed = ROUTES.filter((route) => route.path === path).map(({ method }) => method);
  const refusal = new Refused(
    'method-not-allowed',
    `${c.req.method} is not possible on ${c.req.path.slice(0, 200)}`,
    `use ${allowed.join(' or ')}`,
    { value: c.req.method },
  );
  return problem(refusal, { Allow: allowed.join(', ') });
};

const noSuchRoute = (c: HttpContext): Refused =>
  new Refused(
    'not-found',
    `there is no ${c.req.path.slice(0, 200)}`,
    'GET /openapi.json lists what there is',
    {
      value: c.req.path.slice(0, 200),
    },
  );
