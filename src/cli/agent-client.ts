import http from 'node:http';
import https from 'node:https';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { EventSourceParserStream } from 'eventsource-parser/stream';
import type { z } from 'zod';
import { problemSchema } from '../domain/answers.js';
import { type OperationRecord, operationRecordSchema } from '../domain/operation.js';
import { EXIT, Failure } from './failure.js';
import type { Settings } from './settings.js';
import { tlsOptions } from './tls.js';

/** Milliseconds until a machine that is gone counts as such. */
const CONNECT = 5_000;
/** Milliseconds without a byte. A stream of events says every 15 s that it is still there. */
const PATIENCE = 40_000;

/** How agents are reached, besides their address. */
type Connection = Pick<Settings, 'token' | 'source' | 'own' | 'tls'>;

type Method = 'GET' | 'POST' | 'DELETE';

export interface Answer<T> {
  body: T;
  /** The node that answered. */
  node: string;
  /** Where to follow what has begun. */
  location: URL | undefined;
}

/** An agent over HTTP. Methods throw a Failure that says how it answered, or that it did not. */
export class Agent {
  readonly #connection: Connection;
  readonly url: URL;

  constructor(url: URL, connection: Connection) {
    this.url = url;
    this.#connection = connection;
  }

  /** Another agent with the same key. */
  at(url: URL): Agent {
    return new Agent(url, this.#connection);
  }

  get<T extends z.ZodType>(path: string, schema: T): Promise<Answer<z.output<T>>> {
    return this.#ask('GET', path, schema);
  }

  post<T extends z.ZodType>(path: string, schema: T, body: object): Promise<Answer<z.output<T>>> {
    return this.#ask('POST', path, schema, body);
  }

  async delete(path: string): Promise<void> {
    await this.#read(await this.#send('DELETE', path));
  }

  operation(id: string): Promise<Answer<OperationRecord>> {
    return this.get(`/operations/${encodeURIComponent(id)}`, operationRecordSchema);
  }

  /** The operation at every change until it has ended, or the connection. */
  async *events(id: string): AsyncGenerator<OperationRecord> {
    const response = await this.#send('GET', `/operations/${encodeURIComponent(id)}/events`);
    if (response.statusCode !== 200) throw this.#refusal(response, await text(response));
    const events = Readable.toWeb(response)
      .pipeThrough(new TextDecoderStream())
      .pipeThrough(new EventSourceParserStream());
    try {
      for await (const { data } of events) yield this.#parse(data, operationRecordSchema);
    } finally {
      response.destroy();
    }
  }

  async #ask<T extends z.ZodType>(
    method: Method,
    path: string,
    schema: T,
    body?: object,
  ): Promise<Answer<z.output<T>>> {
    const response = await this.#send(method, path, body);
    const said = await this.#read(response);
    const { location } = response.headers;
    return {
      body: this.#parse(said, schema),
      node: String(response.headers['coldspare-node']),
      location: location === undefined ? undefined : new URL(location, this.url),
    };
  }

  #send(method: Method, path: string, body?: object): Promise<http.IncomingMessage> {
    const url = new URL(path, this.url);
    const { own, tls } = this.#connection;
    const isOwn = url.origin === own.origin;
    const { request: open } = url.protocol === 'https:' ? https : http;
    return new Promise((resolve, reject) => {
      const request = open(url, {
        method,
        // One that is kept open may just have been closed by the other side.
        agent: false,
        ...(url.protocol === 'https:' && tlsOptions(tls, { isOwn })),
        headers: {
          Authorization: `Bearer ${this.#connection.token}`,
          ...(body !== undefined && { 'Content-Type': 'application/json' }),
        },
      });
      const giveUp = (ms: number) => () =>
        request.destroy(new Error(`nothing came for ${ms / 1_000} s`));
      // A request's own time-out begins only when it is connected.
      const connecting = setTimeout(giveUp(CONNECT), CONNECT);
      request.once('socket', (socket) => socket.once('connect', () => clearTimeout(connecting)));
      request.once('close', () => clearTimeout(connecting));
      request.setTimeout(PATIENCE, giveUp(PATIENCE));
      request.once('response', resolve);
      request.on('error', (error) => reject(this.#unreachable(error.message)));
      request.end(body && JSON.stringify(body));
    });
  }

  /** The body of an answer that says yes. */
  async #read(response: http.IncomingMessage): Promise<string> {
    const said = await text(response).catch((error: Error) => {
      throw this.#unreachable(error.message);
    });
    if (response.headers['coldspare-node'] === undefined)
      throw this.#unreachable('what answers there is no coldspare agent');
    if ((response.statusCode ?? 0) >= 300) throw this.#refusal(response, said);
    return said;
  }

  #parse<T extends z.ZodType>(said: string, schema: T): z.output<T> {
    const parsed = schema.safeParse(parseJson(said));
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    throw new Failure(
      EXIT.failed,
      'not-understood',
      `${this.url.origin} answers what this version does not understand: ${issue?.path.join('.')}: ${issue?.message}`,
      "use the coldspare of that server's own version",
    );
  }

  #refusal({ statusCode = 0 }: http.IncomingMessage, said: string): Failure {
    if (statusCode === 401 || statusCode === 403) {
      return new Failure(
        EXIT.unauthorized,
        'unauthorized',
        `${this.url.origin} does not take this key`,
        `the ADMIN_TOKEN of ${this.#connection.source} has to be that agent's`,
      );
    }
    const problem = problemSchema.safeParse(parseJson(said));
    if (!problem.success)
      return this.#unreachable(`it answers ${statusCode} and no problem of ours`);
    const { code, detail, remedy } = problem.data;
    return new Failure(statusCode >= 500 ? EXIT.failed : EXIT.refused, code, detail, remedy);
  }

  #unreachable(why: string): Failure {
    return new Failure(
      EXIT.unreachable,
      'unreachable',
      `the agent at ${this.url.origin} does not answer: ${why}`,
      'is it running there? systemctl status coldspare. To ask another one: --peer, or --url URL',
    );
  }
}

const parseJson = (said: string): unknown => {
  try {
    return JSON.parse(said);
  } catch {
    return undefined;
  }
};
