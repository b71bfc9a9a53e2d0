import { Command, InvalidArgumentError, Option } from 'commander';
import { VERSION } from '../domain/version.js';
import { AgentClient } from './agent-client.js';
import { backups } from './commands/backups.js';
import { doctor } from './commands/doctor.js';
import { history } from './commands/history.js';
import { notify } from './commands/notify.js';
import { pause } from './commands/pause.js';
import { release } from './commands/release.js';
import { demote, promote, type RoleOptions } from './commands/roles.js';
import { status } from './commands/status.js';
import type { Context, Outcome } from './context.js';
import { runOperation } from './run-operation.js';
import { Screen } from './screen.js';
import { type GlobalOptions, readSettings } from './settings.js';

const EXIT_LIST = `
Exit status: 0 done, 1 failed or rolled back, 2 not understood, 3 refused, 4 the agent does not answer,
5 wrong key, 130 left with Ctrl-C while the operation goes on.`;

/** The commands, their options and their help. `end` is called with the outcome. */
export const createProgram = (end: (outcome: Outcome) => void): Command => {
  const program = new Command('coldspare')
    .description('Queries and commands an agent of a pair.')
    .version(VERSION)
    .option('--env <file>', "the agent's .env (otherwise COLDSPARE_ENV, or .env of this directory)")
    .addOption(new Option('--url <url>', 'another agent (or COLDSPARE_URL)').conflicts('peer'))
    .option('--peer', "the other node's agent, as PEER_URL says")
    .option('--json', 'one JSON document, for programs')
    .addHelpText('after', EXIT_LIST)
    .showHelpAfterError('(coldspare help lists the commands)')
    .exitOverride();

  /** `act` is called with the command's arguments; its options come last. */
  const run =
    <Args extends unknown[]>(act: (context: Context, ...args: Args) => Promise<Outcome>) =>
    async (...given: unknown[]) => {
      const command = given.at(-1) as Command;
      const options = command.optsWithGlobals<GlobalOptions>();
      const settings = readSettings(options, process.env);
      const agent = new AgentClient(settings.url, settings);
      const isOwn = settings.url.origin === settings.own.origin;
      const context: Context = {
        agent,
        // PEER_URL is that of this node: another agent says itself where its peer is.
        peer: settings.peerUrl && isOwn ? agent.at(settings.peerUrl) : undefined,
        screen: new Screen(process.stdout),
        json: options.json ?? false,
      };
      end(await act(context, ...(given.slice(0, -1) as Args)));
    };
  const reason = ['--reason <text>', 'kept in the history'] as const;
  const roleCommand = (command: Command) =>
    command
      .option(...reason)
      .option('--dry-run', 'says what would happen, and does nothing')
      .option('--yes', 'does not ask');

  program.command('status').description('this node in a few lines').action(run(status));
  program
    .command('doctor')
    .description('what is wrong with the pair, and what to do about it')
    .action(run(doctor));
  program.command('backups').description('the backups of this node').action(run(backups));
  program
    .command('backup')
    .description('takes a backup now and pushes it (on the primary)')
    .option(...reason)
    .action(
      run((context, { reason: why = '' }: { reason?: string }) =>
        runOperation(context, '/backups', { reason: why }),
      ),
    );
  program
    .command('release')
    .description('says that you have looked at a backup that shrank, to both nodes')
    .argument('<id>', 'the backup before it, which is kept until then')
    .action(run(release));
  roleCommand(program.command('promote'))
    .description('lets this node take over')
    .option('--planned', 'asks the primary to hand over, without a loss')
    .option('--force', 'although the primary looks healthy, the backup is old, or there is a pause')
    .action(run((context, options: RoleOptions) => promote(context, options)));
  roleCommand(program.command('demote'))
    .description('gives the primary role to the other node, without a loss')
    .action(run((context, options: RoleOptions) => demote(context, options)));
  program
    .command('drill')
    .description('restores the newest backup beside everything else, and measures it')
    .action(run((context) => runOperation(context, '/drill', {})));
  program
    .command('pause')
    .description('no automatic failover or failback for some minutes')
    .argument('[minutes]', 'how long (60)', wholeNumber)
    .option(...reason)
    .option('--end', 'ends the pause')
    .action(run(pause));
  program
    .command('notify')
    .description('sends a test message to every channel of NOTIFY_URLS')
    .action(run(notify));
  program
    .command('history')
    .description('the last operations, or one with its steps')
    .argument('[id]', 'one of them; while it runs it is followed')
    .option('--limit <number>', 'how many', wholeNumber, 20)
    .action(run(history));
  return program;
};

const wholeNumber = (text: string): number => {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It has to be a whole number.');
};
