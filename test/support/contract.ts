import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { ROUTES } from '../../src/http/app.js';
import { describeRoutes } from '../../src/http/openapi.js';

// biome-ignore lint/suspicious/noExplicitAny: a document is walked by its names
type Json = any;

/** The answer of `GET /openapi.json`. */
export const DOCUMENT: Json = structuredClone(describeRoutes(ROUTES));

interface Answer {
  status: number;
  headers: Headers;
  body: unknown;
}

/**
 * Compares an answer with what the document says about it, with nothing besides: each field has to be described.
 * @throws Error that says how they differ
 */
export const checkAnswer = (
  method: string,
  path: string,
  { status, headers, body }: Answer,
): void => {
  const operation = find(method, path);
  // The document does not cover unknown routes and HEAD.
  if (operation === undefined) return;
  const said = `${method} ${path} answered ${status}`;
  const declared = operation.responses[status] ?? operation.responses.default;
  if (declared === undefined)
    throw new Error(`${said}, which is not in the document: ${show(body)}`);
  const [type] = headers.get('content-type')?.split(';') ?? [];
  const content = declared.content?.[type ?? ''];
  if (declared.content === undefined && type === undefined) return;
  if (content === undefined) throw new Error(`${said} as ${type}, which is not in the document`);
  if (content.schema === undefined) return;
  const validate = compile(content.schema);
  if (!validate(body))
    throw new Error(`${said} otherwise than the document says: ${ajv.errorsText(validate.errors)}`);
};

const find = (method: string, path: string): Json => {
  const { pathname } = new URL(path, 'http://any');
  const [, item] =
    Object.entries<Json>(DOCUMENT.paths).find(([template]) =>
      new RegExp(`^${template.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(pathname),
    ) ?? [];
  return item?.[method.toLowerCase()];
};

const show = (body: unknown): string => JSON.stringify(body).slice(0, 500);

/** The document allows fields of later versions. The answers of this version must have none that it does not name. */
const close = (schema: Json): Json => {
  if (typeof schema !== 'object' || schema === null) return schema;
  const closed = Array.isArray(schema)
    ? schema.map(close)
    : Object.fromEntries(Object.entries(schema).map(([name, value]) => [name, close(value)]));
  const isOpen = schema.properties !== undefined && schema.additionalProperties === undefined;
  return isOpen ? { ...closed, additionalProperties: false } : closed;
};

const ajv = new Ajv2020({ strict: false });
addFormats.default(ajv);
for (const [id, schema] of Object.entries(DOCUMENT.components.schemas))
  ajv.addSchema(close(schema) as object, `#/components/schemas/${id}`);

const compiled = new Map<string, ValidateFunction>();

const compile = (schema: object): ValidateFunction => {
  const key = JSON.stringify(schema);
  const validate = compiled.get(key) ?? ajv.compile(schema);
  compiled.set(key, validate);
  return validate;
};
