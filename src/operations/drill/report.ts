import { type DrillRecord, foreseeTakeOver } from '../../domain/drill.js';
import type { ColdspareError } from '../../domain/errors.js';
import type { Manifest } from '../../domain/manifest.js';
import { isoNow, type Node } from '../node.js';
import { nextToRestore } from '../promote/choose-backup.js';

export type Part = 'start' | 'restore' | 'verify' | 'query';

/** A drill under way. */
export interface Drill {
  backup: Manifest;
  /** `clock.elapsed()` at its start. */
  began: number;
  /** How long each part took so far, in milliseconds. */
  took: Record<Part, number>;
  /** Whether anything of it may lie beside the databases. */
  isRestored: boolean;
  /** What it came to; null until then. */
  record: DrillRecord | null;
}

export const newDrill = (node: Node, backup: Manifest): Drill => ({
  backup,
  began: node.clock.elapsed(),
  took: { start: 0, restore: 0, verify: 0, query: 0 },
  isRestored: false,
  record: null,
});

/** Writes down that the drill passed, and says what a takeover would take now. */
export const reportSuccess = async (node: Node, drill: Drill): Promise<string> => {
  const { detail, takeOverSeconds } = foresee(node, drill.backup, secondsOf(node, drill));
  await keep(node, drill, { passed: true, error: null, takeOverSeconds });
  return detail;
};

/** Writes down that the drill failed. */
export const reportFailure = (
  node: Node,
  drill: Drill,
  { message }: ColdspareError,
): Promise<void> => keep(node, drill, { passed: false, error: message, takeOverSeconds: null });

const keep = (
  node: Node,
  drill: Drill,
  { passed, error, takeOverSeconds }: Pick<DrillRecord, 'passed' | 'error' | 'takeOverSeconds'>,
): Promise<void> => {
  drill.record = {
    at: isoNow(node),
    backup: drill.backup.id,
    passed,
    error,
    seconds: secondsOf(node, drill),
    takeOverSeconds,
  };
  return node.state.update({ lastDrill: drill.record });
};

const secondsOf = ({ clock }: Node, { took, began }: Drill): DrillRecord['seconds'] => {
  const { start, restore, verify, query } = took;
  const total = clock.elapsed() - began;
  return {
    start: inSeconds(start),
    restore: inSeconds(restore),
    verify: inSeconds(verify),
    query: inSeconds(query),
    total: inSeconds(total),
  };
};

const inSeconds = (ms: number): number => Math.round(ms) / 1_000;

/** Only a standby takes over. */
const foresee = (
  node: Node,
  backup: Manifest,
  seconds: DrillRecord['seconds'],
): { detail: string; takeOverSeconds: number | null } => {
  const { mode, prepared } = node.state.current;
  if (mode !== 'standby') return { detail: `${backup.id} can be restored`, takeOverSeconds: null };
  const { detection, confirmation, database, appStart, total } = foreseeTakeOver({
    settings: node.settings,
    seconds,
    // A newer one may have come in meanwhile, and would have to be restored first.
    isPrepared: prepared === nextToRestore(node)?.id,
    appStart: lastAppStart(node),
  });
  const app =
    appStart === undefined ? 'the app (no start of it was timed here)' : `the app ${appStart} s`;
  return {
    detail: `a takeover from a lost machine would take at most ${total} s: noticing it ${detection} s, making sure ${confirmation} s, the database ${database} s, ${app}`,
    takeOverSeconds: total,
  };
};

/** Seconds from the last start of the app here to its first answer; undefined when none was timed. */
const lastAppStart = ({ runner }: Node): number | undefined => {
  for (const { steps } of runner.list()) {
    const start = steps.findLast((step) => step.name === 'start-app' && step.state === 'done');
    const answer = steps.findLast((step) => step.name === 'wait-for-app' && step.state === 'done');
    // One that ran already took no time to start.
    if (start?.detail !== null || !answer?.endedAt) continue;
    const ms = Date.parse(answer.endedAt) - Date.parse(start.startedAt);
    // The machine's clock was set back meanwhile: nobody knows how long it took.
    if (ms >= 0) return ms / 1_000;
  }
  return undefined;
};
