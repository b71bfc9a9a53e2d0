import { type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { Duplex } from 'node:stream';
import { Refused } from '../domain/errors.js';
import { problem } from './problem.js';

/** Answers what Node could not parse as a request with a problem as well, and ends its connection. */
export const answerBrokenRequests = (server: Server | HttpsServer): void => {
  const answers = new WeakMap<Duplex, ServerResponse>();
  server.on('request', (request, response) => answers.set(request.socket, response));
  server.on('clientError', async (error: NodeJS.ErrnoException, socket) => {
    // In the middle of an answer, another one would be read as a part of it.
    const answer = answers.get(socket);
    const isAnswering = answer?.headersSent === true && !answer.writableFinished;
    const isHttp = HTTP_ERROR.test(error.code ?? '');
    if (!isHttp || !socket.writable || isAnswering) return void socket.destroy();
    socket.end(await asText(problem(toRefusal(error))), () => socket.destroy());
  });
};

/** After any other error, such as a failed TLS handshake, nobody can read an answer. */
const HTTP_ERROR = /^(HPE_|ERR_HTTP_)/;

const toRefusal = ({ code = '' }: NodeJS.ErrnoException): Refused => {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new Refused('header-too-large', 'the headers are too large', 'send fewer of them');
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new Refused('too-slow', 'the headers took too long', 'send them at once');
    default:
      return new Refused('invalid-request', 'this is not an HTTP request', 'send HTTP/1.1', {
        value: code,
      });
  }
};

/** A whole answer as it goes over the connection, which it ends. */
export const asText = async (response: Response): Promise<string> => {
  const body = await response.text();
  const headers = [...response.headers].map(([name, value]) => `${name}: ${value}`);
  return [
    `HTTP/1.1 ${response.status} ${STATUS_CODES[response.status]}`,
    ...headers,
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
    '',
    body,
  ].join('\r\n');
};
