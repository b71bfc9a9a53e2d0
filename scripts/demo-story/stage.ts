import { eventually } from '../lib/agent-process.js';
import type { Cast } from './cast.js';
import type { Accepted } from './customers.js';
import type { Machine } from './machine.js';
import type { Narrator } from './narrator.js';
import type { Row } from './table.js';

/** What every scene uses. */
export interface Stage extends Cast {
  narrator: Narrator;
  /** One for each event that interrupted the service. */
  rows: Row[];
}

/**
 * Checks every confirmed order through VCL1 and adds the event to the table. Resolves to the orders that it lost.
 */
export const settleAccounts = async (
  { customers, rows, narrator }: Stage,
  event: string,
  since: number,
): Promise<Accepted[]> => {
  const { kept, lost } = await narrator.during('checking every order', customers.audit());
  rows.push({ event, secondsToServe: customers.longestWait(since), lost: lost.length, kept });
  return lost;
};

/** Shows the steps of a handover on both nodes: those of the old primary, and those of the node that takes over. */
export const followHandover = async (
  { narrator }: Stage,
  from: Machine,
  to: Machine,
  id: string,
): Promise<void> => {
  const [given, taken] = await Promise.all([
    narrator.follow(from, id),
    // The other node's half has the same id and begins when the old primary offers the role.
    to.begins(id).then(() => narrator.follow(to, id)),
  ]);
  narrator.claim(`${from.name} handed over and ${to.name} took over`, bothDone(given, taken), [
    given.error,
    taken.error,
  ]);
};

const bothDone = (...records: { state: string }[]): boolean =>
  records.every(({ state }) => state === 'done');

/** Resolves once VCL1 sends requests to this machine. */
export const untilServing = ({ vcl1 }: Stage, { name }: Machine): Promise<unknown> =>
  eventually(`VCL1 follows ${name}`, async () => vcl1.primary() === name, 60_000);
