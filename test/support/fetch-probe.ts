import type { Probe } from '../../src/ports/probe.js';

/** A real GET, as plain as can be. */
export const fetchProbe: Probe = {
  get: async (url, timeout) => {
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(timeout) });
      await response.body?.cancel();
      return { outcome: 'answers', status: response.status };
    } catch (error) {
      const { cause } = error as { cause?: { code?: string } };
      return cause?.code === 'ECONNREFUSED'
        ? { outcome: 'refuses', detail: cause.code }
        : { outcome: 'hangs', detail: String(error) };
    }
  },
};
