import { usableBackups } from '../../backups/catalog.js';
import type { DrillCommand } from '../../domain/commands.js';
import { ColdspareError, isError, isUnusable, Refused } from '../../domain/errors.js';
import { type Manifest, type Values, valueDifferences } from '../../domain/manifest.js';
import type { Plan, Steps } from '../../engine/operation.js';
import { assertAsInManifest } from '../../replication/dumps/compare-with-manifest.js';
import { assertFreeSpace } from '../../replication/dumps/free-space.js';
import { recordUnusable } from '../../replication/dumps/proof.js';
import { unlessAborted } from '../../replication/dumps/restore-job.js';
import { type Starter, startDatabase } from '../../replication/dumps/start-database.js';
import { assertStartable, createApp } from '../../serve/app.js';
import type { Node } from '../node.js';
import { DrillTimes, type Reporter, recordDrill, reportSuccess } from './report.js';

/** How long DRILL_QUERY may take, in milliseconds. */
const QUERY_TIMEOUT = 60_000;

const CLEAN_UP = 'drill-clean-up';

const REMEDY =
  'a takeover would use the next older backup: take a new one with POST /backups on the primary, then check the disks of both nodes';

const STEPS = [
  'start-database',
  'restore',
  'verify',
  'query',
  'create-app',
  'clean-up',
  'report',
] as const;
const CLEAN_UP_STEPS = ['start-database', 'clean-up'] as const;

type Driller = Reporter &
  Starter &
  Pick<
    Node,
    'settings' | 'state' | 'backups' | 'stack' | 'runner' | 'clock' | 'local' | 'log' | 'peerView'
  >;

/** The backup to restore. @throws Refused `yielding`, `superseded`, `is-replica`, `no-backup` */
export const assertMayDrill = (
  node: Pick<Node, 'state' | 'settings' | 'backups' | 'replication'>,
): Manifest => {
  const { mode, standDown } = node.state.current;
  const name = node.settings.nodeName;
  if (mode === 'yielding' || standDown !== null) {
    throw new Refused(
      mode === 'yielding' ? 'yielding' : 'superseded',
      `${name} cannot run a drill now: it ${mode === 'yielding' ? 'is handing its role over' : 'was superseded'}`,
      'ask again when GET /status shows neither "yielding" nor "standing-down"',
    );
  }
  if (mode === 'standby' && node.replication.keepsDatabase?.())
    throw new Refused(
      'is-replica',
      `${name} cannot run a drill: its database is a replica, and nothing can be restored beside it`,
      'POST /drill on the primary restores its newest backup beside the live database there',
    );
  const [newest] = usableBackups(node);
  if (newest !== undefined) return newest;
  throw new Refused(
    'no-backup',
    `${name} has no committed backup of this database`,
    'POST /backups on the primary takes one',
  );
};

/**
 * A clean-up is of the same kind as a drill, but restores nothing, so it is no answer to a request for a drill.
 * @throws Refused `busy`
 */
export const assertNotCleaningUp = ({ runner }: Pick<Node, 'runner'>): void => {
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
 * Restores a backup into a database of its own, verifies it, and removes it again. Every other operation preempts it. A
 * preempted restore ends in the background, and what it leaves behind is cleaned up later.
 */
export const planDrill = (
  node: Driller,
  backup: Manifest,
  { reason }: Pick<DrillCommand, 'reason'>,
): Plan => ({
  kind: 'drill',
  reason: reason || 'requested',
  command: { type: 'drill', backup: backup.id },
  steps: STEPS,
  run: (steps) => drill(node, steps, backup),
  isCommitted: () => false,
  isPreemptible: () => true,
  neverPreempts: true,
});

const drill = async (
  node: Driller,
  steps: Steps<(typeof STEPS)[number]>,
  backup: Manifest,
): Promise<void> => {
  const { database } = node.stack;
  const times = new DrillTimes(node.clock);
  /** Whether the drill database may exist. */
  let isRestored = false;
  await times.measure('start', () =>
    startDatabase(node, steps, {
      // A crash from here on leaves something behind: on a standby at least a running database.
      before: () => node.state.update({ drillLeftovers: true }),
      // The first step is undone last: by then the drill database is dropped.
      afterUndo: async (error) => {
        if (!isError(error, 'preempted') && !isRestored)
          await node.state.update({ drillLeftovers: false });
        if (isFailure(error)) {
          const failed = { passed: false, error: error.message, takeOverSeconds: null };
          steps.report(await recordDrill(node, backup, times, failed));
        }
        await noteUnusable(node, backup, error);
      },
    }),
  );
  await times.measure('restore', () =>
    steps.step(
      'restore',
      async ({ signal, progress, say }) => {
        await database.discard('drill');
        await assertFreeSpace(node, backup);
        isRestored = true;
        const onBytes = (done: number) => progress(done, backup.bytes);
        const content = await node.backups.verifiedContent(backup.id, onBytes);
        const said = [`${backup.id}, ${backup.bytes} bytes`];
        const note = (text: string) => void said.push(text);
        const options = { staging: 'drill', gently: true, note } as const;
        await unlessAborted(database.restore(content, backup, signal, options), signal);
        say(said.join('; '));
      },
      {
        undo: async (error) => {
          if (isError(error, 'preempted')) return;
          try {
            await database.discard('drill');
            isRestored = false;
          } catch (failure) {
            node.log.warn({ error: failure }, 'what the drill restored could not be removed yet');
          }
        },
      },
    ),
  );
  await times.measure('verify', () =>
    steps.step('verify', async ({ signal, say }) => {
      const actual = await unlessAborted(database.inventory('drill'), signal);
      const counted = assertAsInManifest(backup, actual, REMEDY);
      const values = await unlessAborted(Promise.resolve(database.values?.()), signal);
      say(`${counted}; ${assertSameValues(backup, values)}`);
    }),
  );
  await times.measure('query', () =>
    steps.step('query', (context) => runDrillQuery(node, context)),
  );
  // On a primary the app runs. A standby that could not start it would not take over in the time that is reported.
  await steps.step('create-app', async ({ signal }) => {
    if (node.state.current.mode !== 'standby') return assertStartable(node);
    await createApp(node, signal);
    await assertStartable(node);
  });
  await cleanUp(node, steps);
  await steps.step('report', async ({ say }) => {
    const { detail, record } = await reportSuccess(node, backup, times);
    steps.report(record);
    say(detail);
  });
};

/** @throws ColdspareError `drill-failed` when the restored database shows other values than the dumped one */
const assertSameValues = (backup: Manifest, actual: Values | undefined): string => {
  const differences = valueDifferences(backup.values, actual);
  if (differences === undefined) return 'its values were not compared';
  if (differences.length === 0) return 'its values are those of the dump';
  throw new ColdspareError(
    'drill-failed',
    `${backup.id} has all rows, but does not mean the same as the database it was dumped from: ${differences.slice(0, 5).join('; ')}`,
    'a takeover would use it nevertheless. Change these objects on the primary as the manual says under "What verified means", then POST /backups there and POST /drill here',
    { value: differences },
  );
};

const runDrillQuery = async (
  { settings, stack }: Pick<Node, 'settings' | 'stack'>,
  { signal, say }: { signal: AbortSignal; say(detail: string): void },
): Promise<void> => {
  const { drillQuery } = settings;
  if (drillQuery === undefined) return say('there is no DRILL_QUERY');
  const asked = stack.database.answer(drillQuery, QUERY_TIMEOUT, signal);
  const answer = await unlessAborted(asked, signal);
  if (answer === true) return say('DRILL_QUERY is true');
  throw new ColdspareError(
    'drill-failed',
    `DRILL_QUERY gave ${formatAnswer(answer)} instead of true: the backup was restored as its manifest says, but its data is not as expected`,
    'run DRILL_QUERY on the primary; when the data there is right, repair the query',
    { value: typeof answer },
  );
};

/** A long text may be out of a row, which is nothing for logs and messages. */
const formatAnswer = (answer: unknown): string => {
  const text = JSON.stringify(answer);
  return text.length <= 20 ? text : `a value of ${text.length} characters`;
};

/** Removes what an interrupted drill left behind. */
export const planDrillCleanUp = (node: Pick<Node, 'leadership' | 'state' | 'stack'>): Plan => ({
  kind: 'drill',
  reason: 'the last drill was interrupted: what it left is removed',
  command: { type: CLEAN_UP },
  steps: CLEAN_UP_STEPS,
  run: async (steps) => {
    await startDatabase(node, steps);
    await cleanUp(node, steps);
  },
  isCommitted: () => false,
  isPreemptible: () => true,
  neverPreempts: true,
});

/** Drops the drill database, and stops the database server of a standby. */
const cleanUp = (
  { stack, state }: Pick<Node, 'state' | 'stack'>,
  steps: Steps<'clean-up'>,
): Promise<void> =>
  steps.step('clean-up', async ({ signal }) => {
    await stack.database.discard('drill');
    if (state.current.mode === 'standby') await stack.database.stop(signal);
    await state.update({ drillLeftovers: false });
  });

const noteUnusable = async (node: Driller, backup: Manifest, error: unknown): Promise<void> => {
  const { mode, prepared } = node.state.current;
  // A prepared backup is restored already and can be used.
  if (mode === 'standby' && isUnusable(error) && prepared !== backup.id)
    await recordUnusable(node, backup, error);
};

/** A drill that was refused or ended from outside says nothing about the backup. */
const isFailure = (error: ColdspareError): boolean =>
  !(error instanceof Refused || isError(error, 'preempted') || isError(error, 'cancelled'));
