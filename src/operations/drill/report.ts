import { type DrillRecord, foreseeTakeOver } from '../../domain/drill.js';
import type { Manifest } from '../../domain/manifest.js';
import { type Clock, isoNow } from '../../ports/clock.js';
import type { Node } from '../node.js';

type Part = Exclude<keyof DrillRecord['seconds'], 'total'>;

/** Measures how long each part of a drill takes. */
export class DrillTimes {
  readonly #clock: Clock;
  readonly #began: number;
  readonly #seconds: Record<Part, number> = { start: 0, restore: 0, verify: 0, query: 0 };

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#began = clock.elapsed();
  }

  /** Runs a part and measures it, also when it fails. */
  async measure(part: Part, run: () => Promise<void>): Promise<void> {
    const began = this.#clock.elapsed();
    try {
      await run();
    } finally {
      this.#seconds[part] = inSeconds(this.#clock.elapsed() - began);
    }
  }

  seconds(): DrillRecord['seconds'] {
    return { ...this.#seconds, total: inSeconds(this.#clock.elapsed() - this.#began) };
  }
}

const inSeconds = (ms: number): number => Math.round(ms) / 1_000;

export type Reporter = Pick<Node, 'settings' | 'state' | 'clock' | 'runner' | 'replication'>;

/** Records that the drill passed, and estimates how long a takeover would take now. */
export const reportSuccess = async (
  node: Reporter,
  backup: Manifest,
  times: DrillTimes,
): Promise<{ detail: string; record: DrillRecord }> => {
  const { detail, takeOverSeconds } = foresee(node, backup, times.seconds());
  const record = await recordDrill(node, backup, times, {
    passed: true,
    error: null,
    takeOverSeconds,
  });
  return { detail, record };
};

/** Records the outcome of a drill. */
export const recordDrill = async (
  node: Pick<Reporter, 'state' | 'clock'>,
  backup: Manifest,
  times: DrillTimes,
  outcome: Pick<DrillRecord, 'passed' | 'error' | 'takeOverSeconds'>,
): Promise<DrillRecord> => {
  const { passed, error, takeOverSeconds } = outcome;
  const at = isoNow(node);
  const seconds = times.seconds();
  const record = { at, backup: backup.id, passed, error, seconds, takeOverSeconds };
  await node.state.update({ lastDrill: record });
  return record;
};

/** Only a standby takes over. */
const foresee = (
  node: Reporter,
  backup: Manifest,
  seconds: DrillRecord['seconds'],
): { detail: string; takeOverSeconds: number | null } => {
  const { mode, prepared } = node.state.current;
  if (mode !== 'standby') return { detail: `${backup.id} can be restored`, takeOverSeconds: null };
  const { detection, confirmation, database, appStart, total } = foreseeTakeOver({
    settings: node.settings,
    seconds,
    // A newer backup may have arrived meanwhile, and would have to be restored first.
    isPrepared: prepared !== null && prepared === node.replication.lag()?.backup?.id,
    appStart: lastAppStart(node),
  });
  const app =
    appStart === undefined
      ? 'the app (none of its starts was measured here)'
      : `the app ${appStart} s`;
  return {
    detail: `a takeover from a lost machine would take at most ${total} s: noticing it ${detection} s, making sure ${confirmation} s, the database ${database} s, ${app}`,
    takeOverSeconds: total,
  };
};

/** Seconds from the last start of the app here to its first answer; undefined when none was measured. */
const lastAppStart = ({ runner }: Pick<Node, 'runner'>): number | undefined => {
  for (const { steps } of runner.list()) {
    const start = steps.findLast((step) => step.name === 'start-app' && step.state === 'done');
    const answer = steps.findLast((step) => step.name === 'wait-for-app' && step.state === 'done');
    // The app was running already, so it took no time to start.
    if (start?.detail !== null || !answer?.endedAt) continue;
    const ms = Date.parse(answer.endedAt) - Date.parse(start.startedAt);
    // Negative if the machine's clock was set back meanwhile.
    if (ms >= 0) return ms / 1_000;
  }
  return undefined;
};
