/**
 * What came back from a URL. `refuses`: the machine is there, nothing listens. `breaks`: something took the connection,
 * and no HTTP answer came over it, as with an expired certificate or a reset. `hangs`: connected, but no answer within
 * the deadline. `silent`: no connection, for any other reason than that nothing listens.
 */
export type ProbeResult =
  /** `isExpected` where other answers than 2xx are healthy. */
  | { outcome: 'answers'; status: number; isExpected?: boolean }
  | { outcome: 'refuses' | 'breaks' | 'hangs' | 'silent'; detail: string };

/** How the app wants to be asked for its health. */
export interface HealthCheck {
  /** The Host that the request names; default: that of the URL. */
  host?: string | undefined;
  /** First and last status of each range that is healthy; default: 2xx. */
  statuses?: readonly (readonly [number, number])[] | undefined;
}

export interface Probe {
  /** One GET of `url`, given up after `timeout` milliseconds. Never throws. */
  get(url: string, timeout: number, check?: HealthCheck): Promise<ProbeResult>;
}

export const isHealthy = (result: ProbeResult): boolean =>
  result.outcome === 'answers' &&
  (result.isExpected ?? (result.status >= 200 && result.status < 300));

export const formatProbe = (result: ProbeResult): string =>
  result.outcome === 'answers'
    ? `answers ${result.status}`
    : `${result.outcome} (${result.detail})`;
