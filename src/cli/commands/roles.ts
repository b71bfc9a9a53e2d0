import { type DryRun, dryRunSchema } from '../../domain/answers.js';
import { formatDuration } from '../../domain/format.js';
import { spoken } from '../../domain/spoken.js';
import type { Context, Outcome } from '../context.js';
import { EXIT, Failure } from '../failure.js';
import { promptUser } from '../prompt-user.js';
import { runOperation } from '../run-operation.js';

export interface RoleOptions {
  reason?: string;
  force?: boolean;
  planned?: boolean;
  dryRun?: boolean;
  yes?: boolean;
}

export const promote = (context: Context, options: RoleOptions): Promise<Outcome> => {
  const { force = false, planned = false, reason = '' } = options;
  return changeRole(context, '/promote', { force, planned, reason }, options, (node) =>
    planned ? `have the role handed over to ${node}` : `let ${node} take over`,
  );
};

export const demote = (context: Context, options: RoleOptions): Promise<Outcome> =>
  changeRole(
    context,
    '/demote',
    { reason: options.reason ?? '' },
    options,
    (node) => `have ${node} hand over to the other node`,
  );

/** Shows a dry run, asks for confirmation, and runs the command. */
const changeRole = async (
  context: Context,
  path: string,
  command: object,
  { dryRun = false, yes = false }: RoleOptions,
  describe: (node: string) => string,
): Promise<Outcome> => {
  const { agent, screen, json } = context;
  const isAsked = !json && process.stdin.isTTY && process.stdout.isTTY;
  if (!isAsked && !dryRun && !yes) {
    const remedy = 'pass --yes; --dry-run shows what would happen';
    throw new Failure(
      EXIT.usage,
      'usage',
      'not a terminal: nobody can confirm the command',
      remedy,
    );
  }
  if (yes && !dryRun) return runOperation(context, path, command);
  const seen = await agent.post(path, dryRunSchema, { ...command, dryRun: true });
  const lines = formatDryRun(seen.node, seen.body);
  const exit = seen.body.wouldRun ? EXIT.done : EXIT.refused;
  if (dryRun || !seen.body.wouldRun) return { value: seen.body, lines, exit };
  for (const line of lines) screen.line(line);
  await promptUser(seen.node, describe(seen.node));
  return runOperation(context, path, command);
};

const formatDryRun = (node: string, { refusal, peer, loss, steps, ...run }: DryRun): string[] => [
  ...(loss === null ? [] : [`WHAT IS LOST: ${loss}`]),
  `The other node: ${peer}`,
  ...(run.backup === null
    ? []
    : [`It would start from: ${run.backup}, ${formatStartingPoint(run)}`]),
  `Steps: ${steps.join(', ')}`,
  ...(refusal === null
    ? []
    : [
        `${node} would refuse: ${refusal.message}`,
        `What to do: ${spoken(refusal.remedy, 'terminal')}`,
      ]),
];

const formatStartingPoint = ({
  backupAgeSeconds,
  prepared,
}: Pick<DryRun, 'backupAgeSeconds' | 'prepared'>): string =>
  `${formatDuration((backupAgeSeconds ?? 0) * 1_000)} old, ${prepared ? 'restored already' : 'still to be restored'}`;
