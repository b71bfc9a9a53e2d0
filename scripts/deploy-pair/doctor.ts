import { type Finding, nodeNotes } from '../../src/domain/conditions/findings.js';
import { diagnose, type ExaminedServer, type UnreachableServer } from './diagnose.js';
import type { Inventory, ServerSettings } from './inventory.js';
import type { Say } from './progress.js';
import { Server } from './server.js';
import { findStarters } from './starters.js';
import { Stop } from './stop.js';
import { survey } from './survey.js';

/** Prints what is wrong with an installed pair, each with its remedy. Changes nothing. Resolves to the exit code. */
export const examine = async (inventory: Inventory, say: Say): Promise<number> => {
  const views = await Promise.all(inventory.servers.map((server) => observe(inventory, server)));
  const findings = diagnose(views);
  const notes = views.flatMap((view) =>
    'status' in view && view.status ? nodeNotes(view.status) : [],
  );
  const tell = ({ server, what, remedy }: Finding) =>
    say(`${server.padEnd(8)} ${what}\n${''.padEnd(9)}→ ${remedy}`);
  findings.forEach(tell);
  const wrong = findings.length === 0 ? 'Nothing is wrong.' : `${findings.length} found.`;
  say(notes.length === 0 ? wrong : `${wrong} To be known:`);
  notes.forEach(tell);
  return findings.length === 0 ? 0 : 1;
};

/** Opens its own connection, so that the other server is still examined when this one is unreachable. */
const observe = async (
  inventory: Inventory,
  settings: ServerSettings,
): Promise<ExaminedServer | UnreachableServer> => {
  let server: Server | undefined;
  try {
    server = await Server.connect(inventory, settings);
    const { STATE_DIR, BACKUP_DIR } = { ...inventory.environment, ...settings.environment };
    const own = [STATE_DIR, BACKUP_DIR].filter((path) => path !== undefined);
    const seen = await survey(server, own);
    return { ...seen, starters: await findStarters(server, seen.variables) };
  } catch (stop) {
    if (!(stop instanceof Stop)) throw stop;
    return { name: settings.name, stop };
  } finally {
    server?.close();
  }
};
