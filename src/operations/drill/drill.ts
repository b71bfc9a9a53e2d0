import { usableBackups } from '../../backups/catalog.js';
import type { DrillCommand } from '../../domain/commands.js';
import { ColdspareError, isError, Refused } from '../../domain/errors.js';
import type { Manifest } from '../../domain/manifest.js';
import type { Plan, Steps } from '../../engine/operation.js';
import { assertFreeSpace } from '../../replication/dumps/free-space.js';
import { keepProof } from '../../replication/dumps/proof.js';
import { unlessAborted } from '../../replication/dumps/restore-job.js';
import { startDatabase } from '../../replication/dumps/start-database.js';
import { assertAsInManifest } from '../../replication/dumps/verify.js';
import type { Node } from '../node.js';
import { DrillTimes, type Reporter, recordDrill, reportSuccess } from './report.js';

/** How long DRILL_QUERY may take, in milliseconds. */
const QUERY_TIMEOUT = 60_000;

const CLEAN_UP = 'drill-clean-up';

const REMEDY =
  'a takeover would go by the next older backup: POST /backups on the primary takes a new one; then look at the disks of both nodes';

const STEPS = ['start-database', 'restore', 'verify', 'query', 'clean-up', 'report'] as const;
const CLEAN_UP_STEPS = ['start-database', 'clean-up'] as const;

type Driller = Reporter &
  Pick<Node, 'settings' | 'state' | 'backups' | 'stack' | 'runner' | 'clock' | 'local' | 'log'>;

/** The backup to restore. @throws Refused `yielding`, `superseded`, `no-backup` */
export const assertMayDrill = (node: Pick<Node, 'state' | 'settings' | 'backups'>): Manifest => {
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
 * Restores a backup beside everything else, looks at what came of it, and removes it again. Everything else is more
 * urgent: what is preempted goes on ending in the background, and what it leaves is cleaned up later.
 */
export const planDrill = (
  node: Driller,
  backup: Manifest,
  { reason }: Pick<DrillCommand, 'reason'>,
): Plan => ({
  kind: 'drill',
  reason: reason || 'asked for',
  command: { type: 'drill', backup: backup.id },
  steps: STEPS,
  run: (steps) => drill(node, steps, backup),
  isCommitted: () => false,
  isPreemptible: () => true,
  isPatient: true,
});

const drill = async (
  node: Driller,
  steps: Steps<(typeof STEPS)[number]>,
  backup: Manifest,
): Promise<void> => {
  const { database } = node.stack;
  const times = new DrillTimes(node.clock);
  /** Whether anything of it may lie beside the databases. */
  let isRestored = false;
  await times.of('start', () =>
    startDatabase(node, steps, {
      // Cut from here on, it leaves something: on a standby at least a database that runs.
      before: () => node.state.update({ drillLeftovers: true }),
      // The first step is taken back last: by then what was restored is gone.
      afterUndo: async (error) => {
        if (!isError(error, 'preempted') && !isRestored)
          await node.state.update({ drillLeftovers: false });
        if (saysSomething(error)) {
          const failed = { passed: false, error: error.message, takeOverSeconds: null };
          steps.report(await recordDrill(node, backup, times, failed));
        }
        await noteUnusable(node, backup, error);
      },
    }),
  );
  await times.of('restore', () =>
    steps.step(
      'restore',
      async ({ signal, progress, say }) => {
        await database.discard('drill');
        await assertFreeSpace(node, backup);
        isRestored = true;
        const onBytes = (done: number) => progress(done, backup.bytes);
        const content = await node.backups.verifiedContent(backup.id, onBytes);
        const options = { staging: 'drill', gently: true } as const;
        await unlessAborted(database.restore(content, backup, signal, options), signal);
        say(`${backup.id}, ${backup.bytes} bytes`);
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
  await times.of('verify', () =>
    steps.step('verify', async ({ signal, say }) => {
      const actual = await unlessAborted(database.inventory('drill'), signal);
      say(assertAsInManifest(backup, actual, REMEDY));
    }),
  );
  await times.of('query', () => steps.step('query', (context) => askDrillQuery(node, context)));
  await cleanUp(node, steps);
  await steps.step('report', async ({ say }) => {
    const { detail, record } = await reportSuccess(node, backup, times);
    steps.report(record);
    say(detail);
  });
};

const askDrillQuery = async (
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
    `DRILL_QUERY gave ${JSON.stringify(answer)} instead of true: the backup was restored as its manifest says, but is not what you expect of it`,
    'look at what DRILL_QUERY asks for on the primary; when the data there is right, mend the query',
    { value: answer },
  );
};

/** For what a drill has left that was cut. */
export const planDrillCleanUp = (node: Pick<Node, 'state' | 'stack'>): Plan => ({
  kind: 'drill',
  reason: 'the last drill was cut: what it left is removed',
  command: { type: CLEAN_UP },
  steps: CLEAN_UP_STEPS,
  run: async (steps) => {
    await startDatabase(node, steps);
    await cleanUp(node, steps);
  },
  isCommitted: () => false,
  isPreemptible: () => true,
  isPatient: true,
});

/** Removes what the drill restored, and stops a standby's database: it is cold again afterwards. */
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
  // One that lies restored serves all the same.
  if (mode === 'standby' && isError(error, 'backup-unusable') && prepared !== backup.id)
    await keepProof(node, backup, { took: 0, error: error.message });
};

/** What was refused or ended from outside has not failed. */
const saysSomething = (error: ColdspareError): boolean =>
  !(error instanceof Refused || isError(error, 'preempted') || isError(error, 'cancelled'));
