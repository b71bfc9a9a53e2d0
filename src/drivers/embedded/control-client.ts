import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { ColdspareError } from '../../domain/errors.js';
import type { Answer, Body, RequestName } from './control.js';

export interface ControlClient {
  /**
   * Asks the database server. The signal ends the wait, not what the server is doing.
   * @throws ColdspareError `database-unreachable` when it does not answer in time, otherwise the server's own error
   */
  ask<Name extends RequestName>(
    name: Name,
    body: Body<Name>,
    timeout: number,
    signal?: AbortSignal,
  ): Promise<Answer<Name>>;
}

export const createControlClient = (socket: string): ControlClient => ({
  ask: async (name, body, timeout, signal) => {
    signal?.throwIfAborted();
    const deadline = AbortSignal.timeout(timeout);
    const { status, answer } = await exchange(socket, name, body, {
      signal: signal === undefined ? deadline : AbortSignal.any([signal, deadline]),
    }).catch((cause: unknown) => {
      signal?.throwIfAborted();
      throw unreachable(name, timeout, deadline.aborted, cause);
    });
    if (status === 200) return answer;
    throw new ColdspareError(answer.code, answer.message, answer.remedy, { value: answer.value });
  },
});

const exchange = async (
  socketPath: string,
  name: string,
  body: unknown,
  { signal }: { signal: AbortSignal },
) => {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const request: ClientRequest = httpRequest({
      socketPath,
      path: `/${name}`,
      method: 'POST',
      agent: false,
      signal,
    });
    request.once('response', resolve).once('error', reject).end(JSON.stringify(body));
  });
  const answer = await text(response);
  return {
    status: response.statusCode,
    answer: answer === '' ? undefined : JSON.parse(answer),
  };
};

const unreachable = (name: string, timeout: number, late: boolean, cause: unknown) =>
  new ColdspareError(
    'database-unreachable',
    late
      ? `the database server did not answer "${name}" within ${timeout} ms`
      : `the database server is not there to answer "${name}"`,
    'read database.log in the state directory; a promote starts the server again',
    { cause },
  );
