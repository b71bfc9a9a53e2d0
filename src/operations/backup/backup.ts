import { pruneBackups } from '../../backups/prune.js';
import type { BackupCommand } from '../../domain/commands.js';
import { Refused } from '../../domain/errors.js';
import type { OperationKind } from '../../domain/operation.js';
import type { Plan, Steps } from '../../engine/operation.js';
import { backupReport, pushBackup } from '../../replication/dumps/push.js';
import { type TakenDump, takeDump } from '../../replication/dumps/take-dump.js';
import { assertOwnUnwritten, freeze } from '../../serve/freeze.js';
import type { Node } from '../node.js';

const BACKUP_STEPS = ['dump', 'prune', 'push'] as const;
const RESCUE_STEPS = [
  'start-database',
  'dump',
  'push',
  'check-frozen',
  'remember-final',
  'prune',
] as const;

type Taker = Pick<
  Node,
  'settings' | 'state' | 'backups' | 'runner' | 'stack' | 'peer' | 'clock' | 'local' | 'log'
>;

/** @throws Refused `not-primary` unless this node's database is the one that counts, or `rescue` fenced it; `busy` */
export const assertMayBackUp = (
  { state, settings, runner }: Pick<Node, 'state' | 'settings' | 'runner'>,
  { rescue }: Pick<BackupCommand, 'rescue'>,
): void => {
  const { mode, yielding } = state.current;
  // A rescue that comes late would freeze a primary that serves again.
  const isAllowed = rescue === undefined ? mode === 'primary' : yielding?.operation === rescue;
  if (!isAllowed) {
    throw new Refused(
      'not-primary',
      `${settings.nodeName} is ${mode}: only the primary's database is backed up`,
      'POST /backups on the primary',
      { value: mode },
    );
  }
  if (rescue === undefined) assertNoUrgentOperation(runner);
};

/** What a backup ends, or is. */
const GIVES_WAY: ReadonlySet<OperationKind> = new Set(['backup', 'push', 'drill']);

/** Only a last dump is so urgent that another operation ends for it: serving again comes before an ordinary backup. */
const assertNoUrgentOperation = ({ current }: Pick<Node['runner'], 'current'>): void => {
  if (current === undefined || GIVES_WAY.has(current.kind)) return;
  throw new Refused(
    'busy',
    `no backup while ${current.kind} ${current.id} runs (${current.reason})`,
    `GET /operations/${current.id} follows it; the next backup comes by itself`,
    { value: current.id },
  );
};

/** Dumps, keeps the dump here and at the peer. A rescue is the last dump that the fenced primary gives. */
export const planBackup = (node: Taker, command: BackupCommand): Plan => {
  const { rescue } = command;
  return {
    kind: 'backup',
    reason: command.reason || (rescue === undefined ? 'asked for' : `last dump for ${rescue}`),
    command: { type: 'backup', ...command },
    steps: rescue === undefined ? BACKUP_STEPS : RESCUE_STEPS,
    run: (steps) => {
      steps.report(backupReport());
      return rescue === undefined ? backUp(node, steps) : giveLastDump(node, steps);
    },
    isCommitted: () => false,
    isPreemptible: () => true,
  };
};

const backUp = async (node: Taker, steps: Steps): Promise<void> => {
  const taken = await dump(node, steps);
  // Before the push: while the other node is away, the dumps must not fill this disk.
  await prune(node, steps);
  await steps.step('push', (context) => pushBackup(node, taken, context));
};

const giveLastDump = async (node: Taker, steps: Steps): Promise<void> => {
  const { database } = node.stack;
  // The database may have died with its app. Nobody writes to it from now on.
  const writes = await steps.step('start-database', async ({ signal }) => {
    await database.start(signal);
    return freeze(database);
  });
  const taken = await dump(node, steps);
  await steps.step('push', (context) => pushBackup(node, taken, context));
  // If this fails, the dump stays but is incomplete.
  await steps.step('check-frozen', async ({ say }) => {
    await assertOwnUnwritten(node, writes);
    say('nothing was written since');
  });
  // Remembers which backup holds everything, so that standing down later need not set the database aside.
  await steps.step('remember-final', async () => {
    const { yielding } = node.state.current;
    const final = { finalBackup: taken.manifest.id, writes: `${writes}` };
    if (yielding !== null) await node.state.update({ yielding: { ...yielding, ...final } });
  });
  await prune(node, steps);
};

const dump = (node: Taker, steps: Steps<'dump'>): Promise<TakenDump> =>
  steps.step('dump', async (context) => {
    const taken = await takeDump(node, context);
    steps.report(backupReport(taken.manifest));
    return taken;
  });

/** Only the last BACKUP_KEEP stay. */
const prune = (node: Taker, steps: Steps<'prune'>): Promise<void> =>
  steps.step('prune', async ({ say }) => {
    const gone = await pruneBackups(node, new Set());
    if (gone.length > 0) say(`removed ${gone.join(', ')}`);
  });
