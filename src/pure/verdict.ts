/** What the peer's agent says, as far as it can be asked. */
export type AgentView = 'serving' | 'not-serving' | 'unreachable';

/** What the peer's app says to us. `unknown` without PRIMARY_CHECK_URL. */
export type AppView = 'healthy' | 'unhealthy' | 'unknown';

/**
 * Whether the primary serves, seen from here. One good sign is enough: an app that answers us serves, and an
 * agent that reaches its own app proves that only our way to it is cut.
 */
export const primaryServes = (agent: AgentView, app: AppView): boolean =>
  app === 'healthy' || agent === 'serving';
