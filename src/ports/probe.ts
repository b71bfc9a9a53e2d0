/**
 * What came back from a URL. `refuses`: the machine is there, nothing listens. `silent`: no connection within
 * the deadline. `hangs`: connected, but no answer within the deadline.
 */
export type ProbeResult =
  | { outcome: 'answers'; status: number }
  | { outcome: 'refuses' | 'silent' | 'hangs'; detail: string };

export interface Probe {
  /** One GET of `url`, given up after `timeout` milliseconds. Never throws. */
  get(url: string, timeout: number): Promise<ProbeResult>;
}

export const isHealthy = (result: ProbeResult): boolean =>
  result.outcome === 'answers' && result.status >= 200 && result.status < 300;

export const formatProbe = (result: ProbeResult): string =>
  result.outcome === 'answers'
    ? `answers ${result.status}`
    : `${result.outcome} (${result.detail})`;
