import http from 'node:http';
import https from 'node:https';
import type { Probe, ProbeResult } from '../ports/probe.js';

/** The machine answered, with a no or with something that is no HTTP. Any other failure means that nothing came back. */
const FROM_THE_MACHINE =
  /^(ECONNREFUSED|ECONNRESET|EPIPE|EPROTO|HPE_|ERR_|CERT_|DEPTH_|SELF_|UNABLE_)/;

/** Real GETs over new connections, redirects not followed, bodies not read. */
export const createHttpProbe = (): Probe => ({
  get: (url, timeout) =>
    new Promise<ProbeResult>((resolve) => {
      const end = (result: ProbeResult): void => {
        clearTimeout(deadline);
        request?.destroy();
        resolve(result);
      };
      let connected = false;
      const deadline = setTimeout(() => {
        const outcome = connected ? 'hangs' : 'silent';
        const what = connected ? 'connected, but no answer' : 'no connection';
        end({ outcome, detail: `${what} within ${timeout} ms` });
      }, timeout);
      let request: http.ClientRequest | undefined;
      try {
        const { get } = url.startsWith('https:') ? https : http;
        request = get(url, { agent: false, headers: { 'User-Agent': 'coldspare' } });
      } catch (error) {
        end({ outcome: 'silent', detail: `not a URL that can be asked: ${error}` });
        return;
      }
      request.on('socket', (socket) => {
        socket.once('connect', () => {
          connected = true;
        });
      });
      request.on('response', ({ statusCode = 0 }) =>
        end({ outcome: 'answers', status: statusCode }),
      );
      request.on('error', (error: NodeJS.ErrnoException) => {
        const code = error.code ?? error.message;
        end({ outcome: FROM_THE_MACHINE.test(code) ? 'refuses' : 'silent', detail: code });
      });
    }),
});
