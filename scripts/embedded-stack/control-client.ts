import { request as httpRequest, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { ColdspareError } from '../../src/domain/errors.js';
import type { Answer, Arguments, RequestName } from './control.js';

/**
 * Asks the database server. The signal ends the wait, not what the server is doing.
 * @throws ColdspareError `database-unreachable` when it does not answer in time, otherwise the server's own error
 */
export type Ask = <Name extends RequestName>(
  name: Name,
  args: Arguments<Name>,
  /** Milliseconds. */
  timeout: number,
  signal?: AbortSignal,
) => Promise<Answer<Name>>;

export const createControlClient =
  (socket: string): Ask =>
  async (name, args, timeout, signal) => {
    signal?.throwIfAborted();
    const deadline = AbortSignal.timeout(timeout);
    const either = signal === undefined ? deadline : AbortSignal.any([signal, deadline]);
    const { status, answer } = await exchange(socket, name, args, either).catch(
      (cause: unknown) => {
        signal?.throwIfAborted();
        throw unreachable(name, timeout, deadline.aborted, cause);
      },
    );
    if (status === 200) return answer;
    throw new ColdspareError(answer.code, answer.message, answer.remedy, { value: answer.value });
  };

const exchange = async (socketPath: string, name: string, args: unknown[], signal: AbortSignal) => {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    httpRequest({ socketPath, path: `/${name}`, method: 'POST', agent: false, signal })
      .once('response', resolve)
      .once('error', reject)
      .end(JSON.stringify(args));
  });
  const answer = await text(response);
  return {
    status: response.statusCode,
    answer: answer === '' ? undefined : JSON.parse(answer),
  };
};

const unreachable = (name: string, timeout: number, isLate: boolean, cause: unknown) =>
  new ColdspareError(
    'database-unreachable',
    isLate
      ? `the database server did not answer "${name}" within ${timeout} ms`
      : `no database server takes the request "${name}"`,
    'read database.log in the state directory; a promote starts the server again',
    { cause },
  );
