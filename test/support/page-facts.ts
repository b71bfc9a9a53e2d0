import type { PageFacts } from '../../src/http/page/facts.js';
import type { ServerFacts } from '../../src/http/page/server-facts.js';

export const NOW = Date.parse('2026-11-23T03:00:00Z');

/** A healthy standby, except for `more`. */
export const server = (more: Partial<ServerFacts> = {}): ServerFacts => ({
  node: 'vcl3',
  mode: 'standby',
  epoch: 1,
  serving: false,
  since: '2026-11-22T00:00:00.000Z',
  lineage: 'abc',
  app: { answers: false, detail: 'refuses' },
  latestBackup: {
    id: 'ledger_20261123_025600',
    ageSeconds: 245,
    bytes: 3_000,
    proof: { at: '2026-11-23T02:56:10.000Z', took: 900, error: null },
  },
  lastDrill: null,
  shrunk: [],
  push: { error: null },
  yielding: null,
  alone: null,
  pause: null,
  failback: null,
  operation: null,
  policy: { monitor: 'on' },
  uncarried: [],
  differences: [],
  problems: [],
  ...more,
});

/** A healthy primary, except for `more`. */
export const primary = (more: Partial<ServerFacts> = {}): ServerFacts =>
  server({
    node: 'vcl2',
    mode: 'primary',
    serving: true,
    app: { answers: true, detail: 'answers 200' },
    ...more,
  });

/** The standby's page of a healthy pair, except for `more`. */
export const facts = (more: Partial<PageFacts> = {}): PageFacts => ({
  now: NOW,
  isKeyed: true,
  self: server(),
  peer: primary(),
  contact: { state: 'answers' },
  peerUrl: 'http://10.0.0.2:8080',
  operation: undefined,
  history: [],
  backups: [],
  maxAgeSeconds: 7_200,
  ...more,
});
