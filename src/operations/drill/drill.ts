import type { DrillCommand } from '../../domain/commands.js';
import { ColdspareError, isError, Refused } from '../../domain/errors.js';
import type { Manifest } from '../../domain/manifest.js';
import type { Plan, Step } from '../../engine/plan.js';
import type { Node } from '../node.js';
import { usableBackups } from '../promote/choose-backup.js';
import { assertFreeSpace } from '../restore/free-space.js';
import { keepProof } from '../restore/prepare.js';
import { asInManifest, startDatabaseStep } from '../restore/restore.js';
import { unlessAborted } from '../restore/restore-job.js';
import { type Drill, newDrill, type Part, reportFailure, reportSuccess } from './report.js';

/** How long DRILL_QUERY may take, in milliseconds. */
const QUERY_TIMEOUT = 60_000;

const CLEAN_UP = 'drill-clean-up';

const REMEDY =
  'a takeover would go by the next older backup: POST /backups on the primary takes a new one; then look at the disks of both nodes';

/** The backup to restore. @throws Refused `yielding`, `superseded`, `no-backup` */
export const assertMayDrill = (node: Node): Manifest => {
  const { mode, standDown } = node.state.current;
  const name = node.settings.nodeName;
  if (mode === 'yielding' || standDown !== null) {
    throw new Refused(
      mode === 'yielding' ? 'yielding' : 'superseded',
      `${name} has more urgent things to do with its database: it ${mode === 'yielding' ? 'is handing it over' : 'was superseded'}`,
      'ask again when GET /status shows neither "yielding" nor "standing-down"',
    );
  }
  const [newest] = usableBackups(node);
  if (newest !== undefined) return newest;
  throw new Refused(
    'no-backup',
    `${name} has no committed backup of this database`,
    'POST /backups on the primary takes one',
  );
};

/** It is of the same kind, but restores nothing: its record is no answer to who wants a drill. @throws Refused `busy` */
export const assertNotCleaningUp = ({ runner }: Node): void => {
  const running = runner.current;
  if (running?.command.type !== CLEAN_UP) return;
  throw new Refused(
    'busy',
    `what the last drill left is being removed (${running.id})`,
    'ask again in a few seconds',
    { value: running.id },
  );
};

/**
 * Restores a backup beside everything else, looks at what came of it, and removes it again. Everything else is more
 * urgent: what is preempted goes on ending in the background, and what it leaves is cleaned up later.
 */
export const planDrill = (
  node: Node,
  backup: Manifest,
  { reason }: Pick<DrillCommand, 'reason'>,
): Plan => {
  const drill = newDrill(node, backup);
  return {
    kind: 'drill',
    reason: reason || 'asked for',
    command: { type: 'drill', backup: backup.id },
    steps: [
      noteFailure(node, drill, timed(node, drill, 'start', startStep(node, drill))),
      timed(node, drill, 'restore', restoreStep(node, drill)),
      timed(node, drill, 'verify', verifyStep(node, backup)),
      timed(node, drill, 'query', queryStep(node)),
      cleanUpStep(node),
      reportStep(node, drill),
    ],
    isCommitted: () => false,
    isPreemptible: () => true,
    isPatient: true,
    result: () => drill.record,
  };
};

/** For what a drill has left that was cut. */
export const planDrillCleanUp = (node: Node): Plan => ({
  kind: 'drill',
  reason: 'the last drill was cut: what it left is removed',
  command: { type: CLEAN_UP },
  steps: [startDatabaseStep(node), cleanUpStep(node)],
  isCommitted: () => false,
  isPreemptible: () => true,
  isPatient: true,
});

/** Cut from here on, it leaves something: on a standby at least a database that runs. */
const startStep = (node: Node, drill: Drill): Step => {
  const start = startDatabaseStep(node);
  return {
    ...start,
    run: async (context) => {
      await node.state.update({ drillLeftovers: true });
      return start.run(context);
    },
    undo: async (error) => {
      await start.undo?.(error);
      if (!isError(error, 'preempted') && !drill.isRestored)
        await node.state.update({ drillLeftovers: false });
    },
  };
};

const restoreStep = (node: Node, drill: Drill): Step => ({
  name: 'restore',
  run: async ({ signal, progress }) => {
    const { backup } = drill;
    await node.stack.database.discard('drill');
    await assertFreeSpace(node, backup);
    drill.isRestored = true;
    const content = await node.backups.verifiedContent(backup.id, (done) =>
      progress(done, backup.bytes),
    );
    const { database } = node.stack;
    const restored = database.restore(content, backup, signal, { staging: 'drill', gently: true });
    await unlessAborted(restored, signal);
    return `${backup.id}, ${backup.bytes} bytes`;
  },
  undo: async (error) => {
    if (isError(error, 'preempted')) return;
    try {
      await node.stack.database.discard('drill');
      drill.isRestored = false;
    } catch (failure) {
      node.log.warn({ error: failure }, 'what the drill restored could not be removed yet');
    }
  },
});

const verifyStep = ({ stack }: Node, backup: Manifest): Step => ({
  name: 'verify',
  run: async ({ signal }) =>
    asInManifest(backup, await unlessAborted(stack.database.inventory('drill'), signal), REMEDY),
});

const queryStep = ({ settings, stack }: Node): Step => ({
  name: 'query',
  run: async ({ signal }) => {
    const { drillQuery } = settings;
    if (drillQuery === undefined) return 'there is no DRILL_QUERY';
    const asked = stack.database.answer(drillQuery, QUERY_TIMEOUT, signal);
    const answer = await unlessAborted(asked, signal);
    if (answer === true) return 'DRILL_QUERY is true';
    throw new ColdspareError(
      'drill-failed',
      `DRILL_QUERY gave ${JSON.stringify(answer)} instead of true: the backup was restored as its manifest says, but is not what you expect of it`,
      'look at what DRILL_QUERY asks for on the primary; when the data there is right, mend the query',
      { value: answer },
    );
  },
});

/** What it restored, and on a standby the running database: it is cold again afterwards. */
const cleanUpStep = ({ stack, state }: Node): Step => ({
  name: 'clean-up',
  run: async ({ signal }) => {
    await stack.database.discard('drill');
    if (state.current.mode === 'standby') await stack.database.stop(signal);
    await state.update({ drillLeftovers: false });
    return undefined;
  },
});

const reportStep = (node: Node, drill: Drill): Step => ({
  name: 'report',
  run: () => reportSuccess(node, drill),
});

const timed = ({ clock }: Node, { took }: Drill, part: Part, step: Step): Step => ({
  ...step,
  run: async (context) => {
    const began = clock.elapsed();
    try {
      return await step.run(context);
    } finally {
      took[part] = clock.elapsed() - began;
    }
  },
});

/** The first step is taken back last: by then it has been cleaned up. */
const noteFailure = (node: Node, drill: Drill, first: Step): Step => ({
  ...first,
  undo: async (error) => {
    await first.undo?.(error);
    if (saysSomething(error)) await reportFailure(node, drill, error);
    const { mode, prepared } = node.state.current;
    // One that lies restored serves all the same.
    if (mode === 'standby' && isError(error, 'backup-unusable') && prepared !== drill.backup.id)
      await keepProof(node, drill.backup, { took: 0, error: error.message });
  },
});

/** What was refused or ended from outside has not failed. */
const saysSomething = (error: ColdspareError): boolean =>
  !(error instanceof Refused || isError(error, 'preempted') || isError(error, 'cancelled'));
