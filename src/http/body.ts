import { Readable } from 'node:stream';
import { z } from 'zod';
import { ColdspareError, Refused } from '../domain/errors.js';
import type { HttpContext } from './route.js';

/** Bytes. Enough for every command. */
const COMMAND_LIMIT = 64 * 1024;

/** Milliseconds for a whole body that is held in memory. */
const BODY_TIMEOUT = 15_000;

/** Milliseconds without a byte after which an upload counts as broken off. */
const UPLOAD_IDLE_TIMEOUT = 60_000;

/** The body as JSON; undefined when there is none. @throws Refused `invalid-request`, `too-large` */
const readJson = async (c: HttpContext, limit = COMMAND_LIMIT): Promise<unknown> => {
  const bytes = await readBytes(c, limit);
  if (bytes.length === 0) return undefined;
  const type = c.req.header('Content-Type')?.split(';')[0]?.trim().toLowerCase() ?? '';
  // What curl -d sends without a header. No form begins like this.
  const isCurled = type === 'application/x-www-form-urlencoded' && bytes[0] === 0x7b;
  if (!isCurled && !/^application\/([\w.-]+\+)?json$/.test(type)) {
    throw invalid(
      'the body is not declared as JSON',
      'send -H "Content-Type: application/json"',
      type === '' ? 'no Content-Type' : type,
    );
  }
  return decodeJson(bytes);
};

/** @throws Refused `invalid-request` */
const decodeJson = (bytes: Uint8Array): unknown => {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new Refused(
      'invalid-request',
      `the body is not JSON: ${cause instanceof Error ? cause.message : cause}`,
      'check its quotes and commas',
    );
  }
};

/**
 * The body as a command; no body is `{}`. A person's field that is not known is mistyped; the peer's is of a newer version.
 * @throws Refused `invalid-request` that names every field at fault, `too-large`
 */
export const readCommand = async <T extends z.ZodType>(
  c: HttpContext,
  schema: T,
  limit = COMMAND_LIMIT,
): Promise<z.output<T>> => {
  const isLoose = c.get('client') === 'peer' && schema instanceof z.ZodObject;
  const body = (await readJson(c, limit)) ?? {};
  return parseWith(isLoose ? (schema.strip() as unknown as T) : schema, body, 'the body');
};

/** @throws Refused `invalid-request` that names every field at fault */
export const parseWith = <T extends z.ZodType>(
  schema: T,
  value: unknown,
  what: string,
): z.output<T> => {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.slice(0, 5).map(({ path, message }) => ({
    field: path.join('.') || what,
    message,
    found: shown(path.reduce(into, value)),
  }));
  throw invalid(
    faults.map(({ field, message }) => `${field}: ${message}`).join('; '),
    'correct the named fields and send it again; GET /openapi.json says what each field takes',
    Object.fromEntries(faults.map(({ field, found }) => [field, found])),
  );
};

const into = (value: unknown, key: PropertyKey): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;

/** A value, shortened for an error. */
const shown = (value: unknown): unknown => {
  if (typeof value === 'object' && value !== null)
    return Array.isArray(value) ? 'a list' : 'an object';
  return typeof value === 'string' ? value.slice(0, 200) : (value ?? null);
};

/** The body as a stream, for uploads of any size. Fails with `upload-torn` when the sender vanishes or stalls. */
export const openUpload = (c: HttpContext): Readable => {
  const reader = c.req.raw.body?.getReader();
  if (reader === undefined) return Readable.from([]);
  return new Readable({
    read() {
      within(UPLOAD_IDLE_TIMEOUT, readNext(reader), () =>
        torn(`no byte came for ${UPLOAD_IDLE_TIMEOUT / 1_000} s`),
      ).then(
        ({ done, value }) => this.push(done ? null : value),
        (error: Error) => this.destroy(error),
      );
    },
  });
};

const readNext = async (reader: ReadableStreamDefaultReader<Uint8Array>) => {
  try {
    return await reader.read();
  } catch (cause) {
    throw torn('the sender went away', cause);
  }
};

const torn = (why: string, cause?: unknown): ColdspareError =>
  new ColdspareError('upload-torn', `the body broke off: ${why}`, 'send it again', { cause });

/** The whole body. Bytes are counted while they are read, whatever Content-Length says. @throws Refused `too-large` */
export const readBytes = async (c: HttpContext, limit: number): Promise<Buffer> => {
  const { body } = c.req.raw;
  if (body === null) return Buffer.alloc(0);
  const reader = body.getReader();
  const chunks: Uint8Array[] = [];
  let size = 0;
  const collect = async () => {
    for (;;) {
      const { done, value } = await readNext(reader);
      if (done) return Buffer.concat(chunks);
      chunks.push(value);
      size += value.length;
      if (size > limit) throw tooLarge(limit);
    }
  };
  return within(BODY_TIMEOUT, collect(), () =>
    torn(`it took longer than ${BODY_TIMEOUT / 1_000} s`),
  );
};

const within = async <T>(ms: number, work: Promise<T>, late: () => Error): Promise<T> => {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(late()), ms);
  });
  try {
    return await Promise.race([work, deadline]);
  } finally {
    clearTimeout(timer);
  }
};

const tooLarge = (limit: number): Refused =>
  new Refused('too-large', `the body is larger than ${limit} bytes`, 'send less', { value: limit });

export const invalid = (message: string, remedy: string, value: unknown): Refused =>
  new Refused('invalid-request', message, remedy, { value });
