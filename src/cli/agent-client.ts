import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { EventSourceParserStream } from 'eventsource-parser/stream';
import type { z } from 'zod';
import { problemSchema } from '../domain/answers.js';
import { type OperationRecord, operationRecordSchema } from '../domain/operation.js';
import { parseJson } from '../domain/parse-json.js';
import { printable, printableData } from '../domain/printable.js';
import { sendRequest } from '../drivers/http-client.js';
import { EXIT, Failure } from './failure.js';
import type { Settings } from './settings.js';
import { tlsOptions } from './tls.js';

/** Milliseconds without a byte. An event stream sends something every 15 s. */
const IDLE_TIMEOUT = 40_000;

/** Credentials and TLS settings for reaching agents. */
type Connection = Pick<Settings, 'token' | 'source' | 'own' | 'tls'>;

type Method = 'GET' | 'POST' | 'DELETE';

export interface Answer<T> {
  body: T;
  /** The node that answered. */
  node: string;
  /** Where to follow the started operation. */
  location: URL | undefined;
}

/** An agent over HTTP. Methods throw a Failure for an error answer, and when there is no answer. */
export class AgentClient {
  readonly #connection: Connection;
  readonly url: URL;

  constructor(url: URL, connection: Connection) {
    this.url = url;
    this.#connection = connection;
  }

  /** Another agent with the same key. */
  at(url: URL): AgentClient {
    return new AgentClient(url, this.#connection);
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

  /** The operation at every change, until it or the connection has ended. */
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
    const content = await this.#read(response);
    const { location } = response.headers;
    return {
      body: this.#parse(content, schema),
      node: printable(String(response.headers['coldspare-node'])),
      location: location === undefined ? undefined : new URL(location, this.url),
    };
  }

  async #send(method: Method, path: string, body?: object): Promise<IncomingMessage> {
    const url = new URL(path, this.url);
    const { own, tls, token } = this.#connection;
    const request = {
      ...{ method, url, body: body && JSON.stringify(body), idleTimeout: IDLE_TIMEOUT },
      tls: url.protocol === 'https:' ? tlsOptions(tls, { isOwn: url.origin === own.origin }) : {},
      headers: {
        Authorization: `Bearer ${token}`,
        ...(body !== undefined && { 'Content-Type': 'application/json' }),
      },
    };
    return sendRequest(request).catch((error: Error) => {
      throw this.#unreachable(error.message);
    });
  }

  /** The body of a successful answer. */
  async #read(response: IncomingMessage): Promise<string> {
    const content = await text(response).catch((error: Error) => {
      throw this.#unreachable(error.message);
    });
    if (response.headers['coldspare-node'] === undefined)
      throw this.#unreachable('the server there is not a coldspare agent');
    if ((response.statusCode ?? 0) >= 300) throw this.#refusal(response, content);
    return content;
  }

  #parse<T extends z.ZodType>(content: string, schema: T): z.output<T> {
    // An answer may hold what strangers wrote, and goes to root's terminal.
    const parsed = schema.safeParse(printableData(parseJson(content)));
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    throw new Failure(
      EXIT.failed,
      'not-understood',
      `${this.url.origin} gave an answer that this version does not understand: ${issue?.path.join('.')}: ${issue?.message}`,
      "use the coldspare of that server's own version",
    );
  }

  #refusal({ statusCode = 0 }: IncomingMessage, content: string): Failure {
    if (statusCode === 401 || statusCode === 403) {
      return new Failure(
        EXIT.unauthorized,
        'unauthorized',
        `${this.url.origin} does not accept this key`,
        `the ADMIN_TOKEN of ${this.#connection.source} has to be that agent's`,
      );
    }
    const problem = problemSchema.safeParse(parseJson(content));
    if (!problem.success)
      return this.#unreachable(`it answers ${statusCode} without a problem document`);
    const { code, detail, remedy } = problem.data;
    return new Failure(statusCode >= 500 ? EXIT.failed : EXIT.refused, code, detail, remedy);
  }

  #unreachable(why: string): Failure {
    return new Failure(
      EXIT.unreachable,
      'unreachable',
      `the agent at ${this.url.origin} does not answer: ${why}`,
      'check whether it runs: systemctl status coldspare. To ask another agent: --peer or --url URL',
    );
  }
}
