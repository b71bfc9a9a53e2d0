import { makeRoom, pruneBackups } from '../../backups/prune.js';
import type { BackupCommand } from '../../domain/commands.js';
import { isError, Refused } from '../../domain/errors.js';
import { affectsApp } from '../../domain/operation.js';
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
  | ('settings' | 'state' | 'backups' | 'runner' | 'stack' | 'replication')
  | ('peer' | 'peerView' | 'clock' | 'local' | 'notifier' | 'log')
>;

/** @throws Refused `not-primary` unless this node is primary or was fenced for `rescue`; `busy` */
export const assertMayBackUp = (
  { state, settings, runner, local }: Pick<Node, 'state' | 'settings' | 'runner' | 'local'>,
  { rescue }: Pick<BackupCommand, 'rescue'>,
): void => {
  const { mode, yielding } = state.current;
  // A late rescue would freeze a primary that serves again.
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
  if (state.current.lineage === null) throw notAdopted(settings.nodeName, local.startError);
};

/** A primary adopts its database when it starts. */
const notAdopted = (name: string, startError: Node['local']['startError']): Refused =>
  new Refused(
    'foreign-lineage',
    `${name} has not adopted its database yet${startError ? `: ${startError.message}` : ''}`,
    `${startError ? `${startError.remedy}. It` : 'its first start is not done: GET /operations shows it. A failed one'} is tried again by itself; systemctl restart coldspare tries at once`,
  );

/** An ordinary backup does not preempt an operation that starts or stops the app. The last dump of a rescue does. */
const assertNoUrgentOperation = ({ current }: Pick<Node['runner'], 'current'>): void => {
  if (current === undefined || !affectsApp(current.kind)) return;
  throw new Refused(
    'busy',
    `no backup while ${current.kind} ${current.id} runs (${current.reason})`,
    `GET /operations/${current.id} follows it; the next scheduled backup needs no request`,
    { value: current.id },
  );
};

/** A drain comes first where one is possible, and then a dump only if it was not. */
const rescueSteps = ({ replication }: Taker): readonly string[] =>
  replication.drain === undefined
    ? RESCUE_STEPS
    : [...new Set(['start-database', ...replication.steps.finalSync, ...RESCUE_STEPS])];

/** Takes a dump and keeps it here and at the peer. A rescue is the last dump of a fenced primary. */
export const planBackup = (node: Taker, command: BackupCommand): Plan => {
  const { rescue } = command;
  return {
    kind: 'backup',
    reason: command.reason || (rescue === undefined ? 'requested' : `last dump for ${rescue}`),
    command: { type: 'backup', ...command },
    steps: rescue === undefined ? BACKUP_STEPS : rescueSteps(node),
    run: (steps) => {
      steps.report(backupReport());
      return rescue === undefined ? backUp(node, steps) : takeLastDump(node, steps);
    },
    isCommitted: () => false,
    isPreemptible: () => true,
  };
};

const backUp = async (node: Taker, steps: Steps): Promise<void> => {
  const taken = await dump(node, steps);
  // Before the push: while the peer is away, the dumps must not fill this disk.
  await prune(node, steps);
  await steps.step('push', (context) => pushBackup(node, taken, context));
};

const takeLastDump = async (node: Taker, steps: Steps): Promise<void> => {
  const { database } = node.stack;
  // The database may have stopped together with its app. The freeze ends all writes.
  const writes = await steps.step('start-database', async ({ signal }) => {
    // A full disk may be what it has stopped for.
    await makeRoom(node);
    await database.start(signal);
    return freeze(database);
  });
  const position = await node.replication.drain?.(steps);
  if (position !== undefined) return steps.report({ position });
  const taken = await dump(node, steps, { isFrozen: true });
  await steps.step('push', (context) => pushBackup(node, taken, context));
  // If this fails, the dump stays but is incomplete.
  await steps.step('check-frozen', async ({ say }) => {
    await assertOwnUnwritten(node, writes);
    say('nothing was written since the freeze');
  });
  // Records which backup holds every write, so that a later stand-down need not set the database aside. On a full disk it
  // is set aside: the peer has the dump, and goes on.
  await steps.step('remember-final', async ({ say }) => {
    const { yielding } = node.state.current;
    const final = { finalBackup: taken.manifest.id, writes: `${writes}` };
    if (yielding === null) return;
    await node.state.update({ yielding: { ...yielding, ...final } }).catch((error: unknown) => {
      if (!isError(error, 'disk-full')) throw error;
      say(`not recorded: ${error.message}`);
    });
  });
  await prune(node, steps);
};

const dump = (
  node: Taker,
  steps: Steps<'dump'>,
  options?: { isFrozen: boolean },
): Promise<TakenDump> =>
  steps.step('dump', async (context) => {
    const taken = await takeDump(node, context, options);
    steps.report(backupReport(taken.manifest));
    return taken;
  });

/** Keeps the backups of BACKUP_KEEP and its tiers. */
const prune = (node: Taker, steps: Steps<'prune'>): Promise<void> =>
  steps.step('prune', async ({ say }) => {
    const removed = await pruneBackups(node, new Set());
    if (removed.length > 0) say(`removed ${removed.join(', ')}`);
  });
