import { planAdopt } from '../../src/operations/adopt-lineage.js';
import { planBackup, planPush } from '../../src/operations/backup.js';
import { planBoot, planResume, planStandDown } from '../../src/operations/boot.js';
import { planFence } from '../../src/operations/fence.js';
import { planHandover } from '../../src/operations/handover.js';
import type { Node } from '../../src/operations/node.js';
import type { Plan } from '../../src/operations/plan.js';
import { planPrepare } from '../../src/operations/prepare.js';
import { planPromote, planTakeOver } from '../../src/operations/promote.js';
import type { Manifest } from '../../src/pure/manifest.js';
import type { Mode } from '../../src/pure/transitions.js';

/** Enough of a node for a plan to be drawn up; none of its steps is run. */
const unstarted = (mode: Mode): Node =>
  ({
    state: { current: { mode, epoch: 1, parity: 'even', yielding: null } },
    stack: { database: {}, app: {} },
    settings: {},
    clock: { elapsed: () => 0 },
  }) as unknown as Node;

const standby = unstarted('standby');
const primary = unstarted('primary');
const yielding = unstarted('yielding');
const command = { force: false, planned: false, dryRun: false, reason: '' };
const operation = 'operation';
const adoption = { reason: 'a person', force: false, lineage: 'l' };

const PLANS: Plan[] = [
  planPromote(standby, command, 'operator'),
  planPromote(yielding, command, 'operator'),
  planTakeOver(standby, { operation, epoch: 2, backup: 'b' }),
  planHandover(primary, { reason: '', dryRun: false }),
  planBackup(primary, { reason: '' }),
  planBackup(primary, { reason: '', rescue: operation }),
  planPush(primary, { id: 'b' } as Manifest),
  planPrepare(standby, { id: 'b' } as Manifest),
  planAdopt(primary, adoption),
  planAdopt(standby, adoption),
  planFence(primary, { operation, epoch: 2 }),
  planBoot(primary, ''),
  planBoot(yielding, ''),
  planBoot(standby, ''),
  planResume(yielding),
  planStandDown(standby),
];

/** `kind.step` of every step there is, from the operations themselves, and the two labels of the backup store. */
export const STEP_LABELS: readonly string[] = [
  ...new Set([
    ...PLANS.flatMap(({ kind, steps }) => steps.map(({ name }) => `${kind}.${name}`)),
    'receive.write',
    'receive.commit',
  ]),
];
