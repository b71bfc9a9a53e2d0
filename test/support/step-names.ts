import type { Manifest } from '../../src/domain/manifest.js';
import type { Plan } from '../../src/engine/operation.js';
import { planFence } from '../../src/operations/accept-fence/accept-fence.js';
import { planAdopt } from '../../src/operations/adopt/adopt-lineage.js';
import { planBackup } from '../../src/operations/backup/backup.js';
import { planBoot, planResume } from '../../src/operations/boot/boot.js';
import { planDrill, planDrillCleanUp } from '../../src/operations/drill/drill.js';
import { planHandover } from '../../src/operations/handover/handover.js';
import type { Node } from '../../src/operations/node.js';
import { planPromote } from '../../src/operations/promote/promote.js';
import { planTakeBack } from '../../src/operations/promote/take-back.js';
import { planTakeOver } from '../../src/operations/promote/take-over.js';
import { planStandDown } from '../../src/operations/stand-down/stand-down.js';
import { createDumpReplication, type DumpPorts } from '../../src/replication/dumps/dumps.js';
import { planPrepare } from '../../src/replication/dumps/prepare.js';
import { planPush } from '../../src/replication/dumps/push.js';
import { planSeed } from '../../src/replication/stream/seed.js';
import type { Streamer } from '../../src/replication/stream/streamer.js';

/** As much of a node as plans need before any step runs. */
const unstarted = (mode: 'standby' | 'primary' | 'yielding'): Node => {
  const parts = {
    state: { current: { mode, epoch: 1, parity: 'even', yielding: null } },
    stack: { database: {}, app: {} },
    settings: {},
    clock: { elapsed: () => 0 },
    leadership: { nextEpoch: () => 2 },
    local: {},
  };
  return {
    ...parts,
    replication: createDumpReplication(parts as unknown as DumpPorts),
  } as unknown as Node;
};

const labelsOf = (plan: Plan): string[] => plan.steps.map((name) => `${plan.kind}.${name}`);

const standby = unstarted('standby');
const primary = unstarted('primary');
const yielding = unstarted('yielding');
const adoption = { reason: '', force: false, lineage: 'l' };
const command = { force: false, planned: false, dryRun: false, reason: '' };
const UNKNOWN_PRIMARY = {} as Parameters<typeof planSeed>[1];
const operator = { source: 'operator' } as const;

/** The labels of each operation's steps, from the operations themselves: a new step is covered without being listed. */
export const STEPS = {
  promote: labelsOf(planPromote(standby, command, operator)),
  reclaim: labelsOf(planPromote(yielding, command, operator)),
  takeBack: labelsOf(planTakeBack(standby, { epoch: 1, backup: null, failbackDue: false })),
  takeOver: labelsOf(planTakeOver(standby, { operation: 'o', epoch: 2, backup: 'b' })),
  handover: labelsOf(planHandover(primary, { reason: '', dryRun: false })),
  backup: labelsOf(planBackup(primary, { reason: '' })),
  prepare: labelsOf(planPrepare(standby, { id: 'b' } as Manifest)),
  drill: labelsOf(planDrill(standby, { id: 'b' } as Manifest, { reason: '' })),
  drillCleanUp: labelsOf(planDrillCleanUp(standby)),
  rescue: labelsOf(planBackup(primary, { reason: '', rescue: 'o' })),
  seed: labelsOf(planSeed(standby as unknown as Streamer, UNKNOWN_PRIMARY, '')),
  push: labelsOf(planPush(primary, { id: 'b' } as Manifest)),
  adoptPrimary: labelsOf(planAdopt(primary, adoption)),
  adoptStandby: labelsOf(planAdopt(standby, adoption)),
  fence: labelsOf(planFence(primary, { operation: 'o', epoch: 2 })),
  resume: labelsOf(planResume(yielding)),
  bootPrimary: labelsOf(planBoot(primary, '')),
  bootYielding: labelsOf(planBoot(yielding, '')),
  bootStandby: labelsOf(planBoot(standby, '')),
  standDown: labelsOf(planStandDown(standby)),
  /** Labels of effects that are not steps of an operation. */
  receive: ['receive.write', 'receive.commit'],
};
