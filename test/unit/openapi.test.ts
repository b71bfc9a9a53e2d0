import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { VERSION } from '../../src/domain/version.js';
import { ROUTES } from '../../src/http/app.js';
import { checkAnswer, DOCUMENT } from '../support/contract.js';
import { type Asked, DUMP, manifestOf, type Service, startService } from '../support/http.js';
import { rowsOf } from '../support/markdown.js';

/** With what stands in the path. */
type Call = Asked & { id?: string };

const braced = (path: string) => path.replaceAll(/:(\w+)/g, '{$1}');
const operationOf = ({ method, path }: (typeof ROUTES)[number]) =>
  DOCUMENT.paths[braced(path)]?.[method.toLowerCase()];

describe('the document', () => {
  test('is what GET /openapi.json answers, without a key', async () => {
    const service = await startService('standby');
    try {
      const { status, body } = await service.ask('GET', '/openapi.json');
      expect(status).toBe(200);
      expect(body).toEqual(DOCUMENT);
    } finally {
      await service.close();
    }
  });

  test('is OpenAPI 3.1', async () => {
    const validator = new Validator();
    expect(await validator.validate(structuredClone(DOCUMENT))).toMatchObject({ valid: true });
    expect(validator.version).toBe('3.1');
    expect(JSON.stringify(DOCUMENT)).not.toContain('undefined');
  });

  test('refers to nothing that is not there', () => {
    const names = [...JSON.stringify(DOCUMENT).matchAll(/"#\/components\/schemas\/([^"]+)"/g)];
    expect(names.length).toBeGreaterThan(50);
    for (const [, name = ''] of names) expect(DOCUMENT.components.schemas).toHaveProperty(name);
  });

  test('has the version of the package', () => {
    expect(DOCUMENT.info.version).toBe(VERSION);
    expect(JSON.parse(readFileSync('package.json', 'utf8')).version).toBe(VERSION);
  });

  test('has every route once, and nothing else', () => {
    const described = Object.entries<object>(DOCUMENT.paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(described.sort()).toEqual(
      ROUTES.map(({ method, path }) => `${method} ${braced(path)}`).sort(),
    );
    const ids = ROUTES.map((route) => operationOf(route).operationId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test.each(ROUTES)('$method $path is described with its keys and its answers', (route) => {
    const { security, responses, summary } = operationOf(route);
    const keys = security.flatMap((choice: object) => Object.keys(choice));
    expect(keys.filter((key: string) => key !== 'webhook-query')).toEqual(route.clients);
    expect(keys.includes('webhook-query')).toBe(route.clients.includes('webhook'));
    expect(summary).not.toBe('');
    // A refusal of the same status must not hide an answer.
    for (const [status, content] of Object.entries(route.about.answers)) {
      const type = content === null || typeof content === 'string' ? content : 'application/json';
      expect(Object.keys(responses[status].content ?? {})).toEqual(type === null ? [] : [type]);
    }
    expect(responses).toHaveProperty(route.clients.length === 0 ? '500' : '401');
  });

  test('is what the README says of the routes', () => {
    expect(rowsOf(readFileSync('README.md', 'utf8'), 'route')).toEqual(
      ROUTES.map(({ method, path, clients, about }) => [
        `\`${method} ${braced(path)}\``,
        clients.length === 0 ? 'none' : clients.join(', '),
        about.summary,
      ]),
    );
  });
});

describe('an answer that the document does not know', () => {
  const json = new Headers({ 'content-type': 'application/json' });
  const health = { status: 'ok', node: 'vcl2', role: 'primary', serving: true, problems: [] };

  test.each([
    ['has a field too many', 200, { ...health, secret: 'x' }, json],
    ['lacks a field', 200, { ...health, serving: undefined }, json],
    ['has a field of another kind', 200, { ...health, serving: 'yes' }, json],
    ['has another status', 404, health, json],
    ['is of another type', 200, health, new Headers({ 'content-type': 'text/plain' })],
  ])('because it %s is noticed', (_what, status, body, headers) => {
    const answer = { status, headers, body: JSON.parse(JSON.stringify(body)) };
    expect(() => checkAnswer('GET', '/health', answer)).toThrow('GET /health answered');
    const known = { status: 200, headers: json, body: health };
    expect(() => checkAnswer('GET', '/health', known)).not.toThrow();
  });
});

describe('every route', () => {
  let primary: Service;
  let standby: Service;
  beforeAll(async () => {
    primary = await startService('primary');
    standby = await startService('standby');
    primary.node.peer.upload = async () => ({ bytes: 1, sha256: '' });
    primary.node.peer.commit = async () => {};
  });
  afterAll(async () => {
    await primary.close();
    await standby.close();
  });

  test('answers as the document says', async () => {
    const answered = new Set<string>();
    /** `ask` compares the answer with the document. Here it has to be a good one. */
    const call = async (service: Service, route: string, { id = '', ...asked }: Call = {}) => {
      const [method = '', path = ''] = route.split(' ');
      const concrete = path.replace(/:(id|provider|file)/, id);
      const { status, body } = await service.ask(method, concrete, asked);
      expect(status, `${route}: ${JSON.stringify(body)}`).toBeLessThan(300);
      answered.add(route.replace(/\?.*/, ''));
      return body;
    };
    const [admin, peer, webhook] = (['admin', 'peer', 'webhook'] as const).map((client) => ({
      client,
    }));
    const waiting = { headers: { Prefer: 'wait=10' } };

    await call(primary, 'GET /openapi.json');
    await call(primary, 'GET /');
    await call(primary, 'GET /details', admin);
    await call(primary, 'GET /page/:file', { id: 'main.js' });
    await call(primary, 'GET /health');
    await call(primary, 'GET /metrics');
    await call(primary, 'GET /primary');
    await call(standby, 'GET /standby');
    await call(primary, 'GET /status', admin);

    const manifest = manifestOf(DUMP);
    const { id } = manifest;
    await call(standby, 'PUT /backups/:id', { ...peer, id, body: DUMP });
    await call(standby, 'GET /backups/:id/upload', { ...peer, id });
    await call(standby, 'POST /backups/:id/commit', { ...peer, id, body: manifest });
    const at = new Date().toISOString();
    await call(standby, 'POST /backups/:id/confirm', { ...peer, id, body: { at } });
    const path = join(standby.directory, 'old.dump');
    await writeFile(path, 'PGDMP and so on');
    const old = { ...admin, id: 'ledger_20200101_000000', body: { path } };
    await call(standby, 'POST /backups/:id/adopt', old);
    await call(standby, 'POST /backups/:id/release', { ...admin, id });
    await call(standby, 'GET /backups', admin);
    await call(standby, 'GET /backups/:id', { ...peer, id });
    await call(standby, 'GET /backups/:id/content', { ...admin, id });

    const backup = await call(primary, 'POST /backups', { ...admin, ...waiting });
    await call(primary, 'GET /operations?limit=5', admin);
    await call(primary, 'GET /operations/:id', { ...admin, id: backup.id });
    await call(primary, 'GET /operations/:id/events', { ...peer, id: backup.id });
    await call(primary, 'DELETE /operations/:id', { ...peer, id: 'never-heard-of' });

    await call(standby, 'POST /drill', { ...admin, ...waiting });
    await call(standby, 'POST /notify', admin);
    await call(standby, 'POST /pause', { ...admin, body: { minutes: 5 } });
    await call(standby, 'POST /webhooks/:provider', { ...webhook, id: 'generic' });
    const up =
      'GET /webhooks/:provider?code=6f1b1a3e-2f6c-4b7e-9d52-0d9a4e0c7b11&name=shop&status=up';
    await call(standby, up, { ...webhook, id: 'healthchecks' });
    await call(standby, 'POST /promote', { ...admin, body: { dryRun: true } });
    await call(standby, 'DELETE /pause', admin);
    const takeOver = { operation: 'handover-of-vcl2', epoch: 2, backup: id };
    await call(standby, 'POST /takeovers', { ...peer, ...waiting, body: takeOver });
    await call(standby, 'GET /status', peer);

    await call(primary, 'POST /demote', { ...admin, body: { dryRun: true } });
    await call(primary, 'POST /adopt', { ...admin, ...waiting, body: { reason: 'a test' } });
    const handover = await call(primary, 'POST /handovers', peer);
    await primary.node.runner.wait(handover.id, 10_000);
    await call(primary, 'POST /fence', { ...peer, body: { operation: 'of-a-test', epoch: 2 } });

    // An upgrade is no answer: http-replication.test.ts.
    const all = ROUTES.filter(({ about }) => about.answers[101] === undefined).map(
      ({ method, path: template }) => `${method} ${template}`,
    );
    expect([...answered].sort()).toEqual(all.sort());
  });
});
