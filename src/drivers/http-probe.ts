import type { Probe } from '../ports/probe.js';
import { HttpTimeout, sendRequest } from './http-client.js';

/** Errors after which the machine is known to be there. After any other, nothing came back. */
const FROM_THE_MACHINE =
  /^(ECONNREFUSED|ECONNRESET|EPIPE|EPROTO|HPE_|ERR_|CERT_|DEPTH_|SELF_|UNABLE_)/;

/** Real GETs over new connections. Redirects are not followed, bodies are not read. */
export const createHttpProbe = (): Probe => ({
  get: async (text, timeout) => {
    if (!URL.canParse(text) || !/^https?:/i.test(text))
      return { outcome: 'silent', detail: 'not an http or https URL' };
    try {
      const response = await sendRequest({
        ...{ method: 'GET', url: new URL(text), headers: { 'User-Agent': 'coldspare' } },
        ...{ timeout, connectTimeout: timeout },
      });
      response.destroy();
      return { outcome: 'answers', status: response.statusCode ?? 0 };
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (error instanceof HttpTimeout) return { outcome: error.outcome, detail: message };
      const detail = code ?? message;
      return { outcome: FROM_THE_MACHINE.test(detail) ? 'refuses' : 'silent', detail };
    }
  },
});
