import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { printable } from '../../src/domain/printable.js';
import { connectPair } from './connect-pair.js';
import { deploy, rollBack } from './deploy.js';
import { examine } from './doctor.js';
import { loadInventory } from './inventory.js';
import { Progress } from './progress.js';
import type { Server } from './server.js';
import { Stop } from './stop.js';

const USAGE = `./scripts/deploy [INVENTORY] [--dry-run] [--rollback | --check | --prove] [--rotate-keys]
  INVENTORY      inventory.yml unless another is named; scripts/deploy-pair/inventory.example.yml shows every key
  --dry-run      shows every change, and makes none
  --rollback     back to the version before
  --check        what is wrong with the installed pair: the same as ./scripts/doctor
  --prove        afterwards hands over to the standby and back: a restore on each, and a few seconds without writes
  --rotate-keys  new PEER_TOKEN, ADMIN_TOKEN and WEBHOOK_TOKEN`;

const PROJECT = fileURLToPath(new URL('../../../', import.meta.url));

const main = async (): Promise<number> => {
  const { values, positionals } = readArguments();
  if (values.help) return say(USAGE);
  const inventory = await loadInventory(positionals[0] ?? 'inventory.yml');
  if (values.check) return examine(inventory, say);
  const progress = new Progress(say, { isDry: values['dry-run'] });
  if (progress.isDry) say('Dry run: nothing is changed. What would be done:');
  let servers: Server[] = [];
  try {
    servers = await progress.look('pair', 'connect', () => connectPair(inventory));
    const options = {
      project: PROJECT,
      rotateKeys: values['rotate-keys'],
      prove: values.prove,
    };
    await (values.rollback
      ? rollBack(servers, progress)
      : deploy(inventory, servers, options, progress));
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
    console.error(
      printable(
        `\nStopped at ${progress.where}.\n${error.message}\n\nWhat to do: ${error.remedy}\nWhere it stands: ${progress.standing}`,
      ),
    );
    return 1;
  } finally {
    for (const server of servers) server.close();
  }
  return say(formatEnd(progress));
};

const formatEnd = ({ changes, isDry }: Progress): string => {
  if (changes === 0) return 'Nothing to change: both servers are as they should be.';
  const count = `${changes} change${changes === 1 ? '' : 's'}`;
  return isDry ? `${count}, none of them made.` : `Done: ${count}.`;
};

const say = (line: string): number => {
  console.log(printable(line));
  return 0;
};

const readArguments = () => {
  const flag = { type: 'boolean', default: false } as const;
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        'dry-run': flag,
        rollback: flag,
        check: flag,
        prove: flag,
        'rotate-keys': flag,
        help: flag,
      },
    });
  } catch (cause) {
    throw new Stop(cause instanceof Error ? cause.message : `${cause}`, USAGE, { cause });
  }
};

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(error instanceof Stop ? printable(`${error.message}\n${error.remedy}`) : error);
    process.exit(2);
  },
);
