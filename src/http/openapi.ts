import { problemSchema } from '../domain/answers.js';
import type { ErrorCode } from '../domain/errors.js';
import { VERSION } from '../domain/version.js';
import { inline, type Json, namedSchemas, reference } from './openapi-schemas.js';
import { statusOf } from './problem.js';
import type { About, Client, RequestHeader, Route } from './route.js';

/** The contract as an OpenAPI 3.1 document. */
export const describeRoutes = (routes: readonly Route[]): Json => ({
  openapi: '3.1.1',
  info: {
    title: 'coldspare',
    version: VERSION,
    summary: 'A second server that is ready to take over',
    description: CONVENTIONS,
    license: { name: 'MIT', identifier: 'MIT' },
  },
  paths: Object.fromEntries(
    unique(routes.map(({ path }) => path)).map((path) => [
      path.replaceAll(/:(\w+)/g, '{$1}'),
      Object.fromEntries(
        routes
          .filter((route) => route.path === path)
          .map((route) => [route.method.toLowerCase(), describeRoute(route)]),
      ),
    ]),
  ),
  components: {
    schemas: namedSchemas(),
    securitySchemes: {
      admin: { type: 'http', scheme: 'bearer', description: 'ADMIN_TOKEN' },
      peer: { type: 'http', scheme: 'bearer', description: 'PEER_TOKEN, for the other agent' },
      webhook: { type: 'http', scheme: 'bearer', description: 'WEBHOOK_TOKEN' },
      'webhook-query': {
        ...{ type: 'apiKey', in: 'query', name: 'token' },
        description: 'WEBHOOK_TOKEN, for checkers that cannot set a header',
      },
    },
  },
});

const CONVENTIONS = `Every answer carries Coldspare-Node, Coldspare-Role, Coldspare-Epoch, Coldspare-Instance, and Coldspare-Protocol: the oldest and the newest version of the agents' own messages that the node understands.

An error is a problem (RFC 9457) with a stable code, the value at fault, and the remedy: what to do or type next.

A long operation is answered by 202 with its Location. It goes on when the caller goes away.`;

const describeRoute = (route: Route): Json => {
  const { method, path, clients, about } = route;
  return {
    operationId: [method.toLowerCase(), ...path.split(/\W+/).filter(Boolean)].join('-'),
    summary: about.summary,
    security: clients.flatMap(schemesOf).map((name) => ({ [name]: [] })),
    parameters: parametersOf(route),
    ...(about.body !== undefined && { requestBody: requestBody(about.body) }),
    responses: {
      ...Object.fromEntries(
        Object.entries(about.answers).map(([status, content]) => [
          status,
          answer(Number(status), content),
        ]),
      ),
      ...problemsOf(route),
    },
  };
};

const schemesOf = (client: Client): string[] =>
  client === 'webhook' ? [client, 'webhook-query'] : [client];

const HEADERS: Record<RequestHeader, { description: string; schema: Json }> = {
  Prefer: {
    description: 'wait=SECONDS (RFC 7240): answer when the operation has ended',
    schema: { type: 'string', examples: ['wait=60'] },
  },
  'Idempotency-Key': {
    description:
      'The same call again with this key is the same operation, until a day after its end',
    schema: { type: 'string', minLength: 1, maxLength: 255 },
  },
  'Coldspare-Epoch': {
    description: 'Of the agent that sends',
    schema: { type: 'integer', minimum: 0 },
  },
  'Content-Range': {
    description: 'bytes FROM-LAST/ALL (RFC 9110): the rest of an upload that broke off',
    schema: { type: 'string', examples: ['bytes 1000-1999/2000'] },
  },
  'webhook-id': {
    description: 'Of Standard Webhooks: the same message again is the same operation',
    schema: { type: 'string', minLength: 1, maxLength: 255 },
  },
};

const parametersOf = ({ path, clients, about }: Route): Json[] => {
  const { params, query, headers = [] } = about;
  const inPath = [...path.matchAll(/:(\w+)/g)].map(([, name = '']) => name);
  const understood = [
    ...headers,
    ...(clients.includes('peer') ? (['Coldspare-Epoch'] as const) : []),
  ];
  return [
    ...inPath.map((name) => ({
      ...{ name, in: 'path', required: true },
      schema: params?.[name] === undefined ? { type: 'string' } : inline(params[name]),
    })),
    ...Object.entries(query?.shape ?? {}).map(([name, schema]) => ({
      ...{ name, in: 'query', schema: inline(schema) },
    })),
    ...understood.map((name) => ({ name, in: 'header', ...HEADERS[name] })),
  ];
};

const requestBody = (body: About['body'] & {}): Json => ({
  required: typeof body === 'string' || !body.safeParse({}).success,
  content:
    typeof body === 'string' ? { [body]: {} } : { 'application/json': { schema: inline(body) } },
});

const answer = (status: number, content: About['answers'][number] | undefined): Json => ({
  description: DESCRIPTIONS[status] ?? 'Done',
  ...(status === 202 && { headers: { Location: { schema: { type: 'string' } } } }),
  ...(typeof content === 'string' && { content: { [content]: {} } }),
  ...(typeof content === 'object' &&
    content !== null && {
      content: { 'application/json': { schema: reference(content) } },
    }),
});

const DESCRIPTIONS: Record<number, string> = {
  101: 'The connection is open',
  201: 'Created',
  202: 'It has begun, and Location says where to follow it',
  204: 'Done',
  503: 'No',
};

/** The refusals of a route, by status. */
const problemsOf = (route: Route): Json => {
  const codes = unique(codesOf(route));
  const waits = route.about.headers?.includes('Prefer');
  const refusals = unique(codes.map(statusOf)).map((status) => {
    const these = codes.filter((code) => statusOf(code) === status);
    const refused = { properties: { code: { enum: these } } };
    const schema = {
      allOf: [reference(problemSchema), waits ? { anyOf: [refused, OPERATION_FAILED] } : refused],
    };
    return [status, problemAnswer(these.join(', '), schema)];
  });
  return {
    ...Object.fromEntries(refusals),
    ...(waits && { default: OPERATION_FAILED_ANSWER }),
  };
};

const problemAnswer = (description: string, schema: Json): Json => ({
  description,
  content: { 'application/problem+json': { schema } },
});

/** The code of an operation that failed can be any. */
const OPERATION_FAILED = { required: ['operation'] };
const OPERATION_FAILED_ANSWER = problemAnswer(
  'The operation that was waited for did not end well',
  reference(problemSchema),
);

/** The refusals of the key, of parameters and body, and then those of the route itself. */
const codesOf = ({ clients, refusesStaleEpoch, about }: Route): ErrorCode[] => {
  const { params, query, headers, body, problems = [] } = about;
  const isRead = body !== undefined;
  const isChecked = params ?? query ?? headers ?? body ?? clients.includes('peer');
  return [
    ...(clients.length > 0 ? (['unauthorized', 'forbidden', 'too-many-attempts'] as const) : []),
    ...(clients.includes('peer') ? (['certificate-needed'] as const) : []),
    ...(isChecked ? (['invalid-request'] as const) : []),
    ...(isRead ? (['too-large', 'upload-torn'] as const) : []),
    ...(refusesStaleEpoch ? (['stale-epoch'] as const) : []),
    ...problems,
    'internal',
  ];
};

const unique = <T>(items: readonly T[]): T[] => [...new Set(items)];
