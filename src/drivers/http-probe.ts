import type { HealthCheck, Probe } from '../ports/probe.js';
import { HttpTimeout, isRefused, sendRequest } from './http-client.js';

/** Real GETs over new connections. Redirects are not followed, bodies are not read. `always` is how it asks by default. */
export const createHttpProbe = (always: HealthCheck = {}): Probe => ({
  get: async (text, timeout, { host, statuses } = always) => {
    if (!URL.canParse(text) || !/^https?:/i.test(text))
      return { outcome: 'silent', detail: 'not an http or https URL' };
    let isConnected = false;
    const onConnect = () => {
      isConnected = true;
    };
    try {
      const response = await sendRequest({
        ...{ method: 'GET', url: new URL(text), timeout, connectTimeout: timeout, onConnect },
        headers: { 'User-Agent': 'coldspare', ...(host !== undefined && { Host: host }) },
        // A certificate is for the name that is asked for.
        ...(host !== undefined && { tls: { servername: host.replace(/:\d+$/, '') } }),
      });
      response.destroy();
      const { statusCode: status = 0 } = response;
      if (statuses === undefined) return { outcome: 'answers', status };
      const isExpected = statuses.some(([first, last]) => status >= first && status <= last);
      return { outcome: 'answers', status, isExpected };
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (error instanceof HttpTimeout) return { outcome: error.outcome, detail: message };
      const detail = code ?? message;
      // A certificate that has expired and a reset both come from something that runs (H40).
      if (isConnected) return { outcome: 'breaks', detail };
      return { outcome: isRefused(error as Error) ? 'refuses' : 'silent', detail };
    }
  },
});
