import type { Probe } from '../../src/ports/probe.js';

/** A probe that sends a plain GET with fetch. */
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
