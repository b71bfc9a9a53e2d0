import { spoken } from '../spoken.js';
import type { NodeStatus } from '../status.js';
import { BACKUPS } from './backups.js';
import { CERTIFICATES } from './certificates.js';
import type { Condition, Facts, Known } from './condition.js';
import { LEFT_BEHIND } from './left-behind.js';
import { NOTIFY } from './notify.js';
import { PEER } from './peer.js';
import { REPLICATION } from './replication.js';
import { SERVING } from './serving.js';

const TABLE = {
  ...PEER,
  ...SERVING,
  ...BACKUPS,
  ...REPLICATION,
  ...CERTIFICATES,
  ...LEFT_BEHIND,
  ...NOTIFY,
};

/** Stable words: other programs branch on them, so a code is never renamed. */
export type ConditionCode = keyof typeof TABLE;

/** Everything that may be wrong with a node: when, how bad it is, who is told, and what to do. */
export const CONDITIONS: Readonly<Record<ConditionCode, Condition>> = TABLE;

const CODES = Object.keys(CONDITIONS) as ConditionCode[];

export const PROBLEM_CODES = CODES.filter((code) => CONDITIONS[code].isProblem);

/** Why this node does not do its job; empty when it does. */
export const problemsOf = (facts: Facts): ConditionCode[] =>
  PROBLEM_CODES.filter((code) => {
    const { mode = facts.mode, when } = CONDITIONS[code];
    return mode === facts.mode && when(facts) === true;
  });

/** What stands behind each of these problems, for a reader who has a key. */
export const detailsOf = (
  problems: readonly ConditionCode[],
  facts: Facts,
): NonNullable<NodeStatus['details']> =>
  Object.fromEntries(
    problems.map((code) => [
      code,
      {
        because: CONDITIONS[code].because?.(facts) ?? null,
        remedy: remedyFor(CONDITIONS[code], 'terminal', facts),
      },
    ]),
  );

/** Why a handover to the standby that has these problems would fail; undefined when nothing speaks against it. */
export const handoverObstacle = (problems: readonly string[]): string | undefined =>
  problems.find((code) => conditionOf(code).preventsHandover);

const MANUAL = 'the manual (wrangler-free-readme.md) says what to do about it';

/** Of an agent of another version, the code may be one that is not in the table. */
export const conditionOf = (code: string): Condition =>
  new Map<string, Condition>(Object.entries(CONDITIONS)).get(code) ?? {
    severity: 'warning',
    when: () => undefined,
    says: 'has a problem that this version does not know',
    remedy: MANUAL,
  };

/** To be read after the name of the node, with the values. For readers who have a key. */
export const sentence = ({ says, because }: Condition, known: Known): string => {
  const reason = because?.(known);
  return reason ? `${says}: ${reason}` : says;
};

export const remedyFor = (
  { remedy }: Condition,
  surface: 'terminal' | 'http',
  known: Known,
): string => {
  const given = typeof remedy === 'object' ? remedy[surface] : remedy;
  const said = typeof given === 'function' ? given(known) : given;
  return surface === 'terminal' ? spoken(said, surface) : said;
};

/** The page knows no more of the other server than its codes. */
export const pageRemedy = ({ remedy }: Condition): string => {
  const given = typeof remedy === 'object' ? remedy.page : remedy;
  return typeof given === 'function' ? MANUAL : given;
};
