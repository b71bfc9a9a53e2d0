import type { PromoteCommand } from '../domain/commands.js';
import { isError, toColdspareError } from '../domain/errors.js';
import type { OperationRecord } from '../domain/operation.js';
import type { Asker } from '../operations/commands.js';
import type { Node } from '../operations/node.js';
import { requestPromote } from '../operations/requests.js';
import { idempotencyKey } from './headers.js';
import type { HttpContext } from './route.js';
import type { CheckerEvent } from './webhooks/provider.js';

/**
 * A checker's word. Only "down" starts anything, and the node looks for itself before it believes it; "up" never
 * gives a role back (T25). What will not change by asking again is answered 2xx, because checkers repeat
 * what fails, and at once, because promoting takes longer than they wait (T27).
 */
export const promoteByWebhook = async (
  c: HttpContext,
  node: Node,
  { event, names, because }: CheckerEvent,
): Promise<Response> => {
  const said = { event, monitor: names[0] ?? null, because };
  if (event !== 'down') {
    node.log.info(said, 'a checker said something that starts nothing');
    return ignored(c, because);
  }
  if (!isListed(node, names)) {
    node.log.info(said, 'a checker reports an outage of what WEBHOOK_MONITORS does not list');
    const monitor = names.slice(0, 3).join(' or ') || 'a monitor without a name';
    return ignored(c, `WEBHOOK_MONITORS does not list ${monitor}: ${because}`);
  }
  try {
    const command = { force: false, planned: false, dryRun: false, reason: because.slice(0, 500) };
    // The id is the same in each delivery, and signed with it: a message played again could bring any other key.
    const key = { ...idempotencyKey(c), ...idempotencyKey(c, 'webhook-id') };
    const asker = { source: 'webhook' as const, ...key };
    const record = await promoteSoon(node, command, asker);
    if (record === undefined) return c.json(ACCEPTED, 202, { Location: '/operations' });
    return c.json(record, 202, { Location: `/operations/${record.id}` });
  } catch (error) {
    if (!isError(error, 'already-primary') && !isError(error, 'paused')) throw error;
    node.log.info({ ...said, code: error.code }, 'a checker reports an outage; nothing is done');
    return ignored(c, error.message);
  }
};

/** Milliseconds in which a promote usually begins. Some checkers wait hardly longer for their answer. */
const PATIENCE = 200;

const ACCEPTED = {
  accepted: true,
  because: 'the promote begins as soon as what runs now has made way; GET /operations shows it',
};

/** Undefined when it has not begun yet: what has to make way for it, such as a restore, may take its time. */
const promoteSoon = async (
  node: Node,
  command: PromoteCommand,
  asker: Asker,
): Promise<OperationRecord | undefined> => {
  const giveUp = new AbortController();
  const patience = node.clock.sleep(PATIENCE, giveUp.signal).then(
    () => undefined,
    () => undefined,
  );
  const begun = requestPromote(node, command, asker);
  try {
    const record = await Promise.race([begun, patience]);
    if (record === undefined) logRefusal(node, begun);
    return record;
  } finally {
    giveUp.abort();
  }
};

/** The checker has its answer already. It says so again as long as the outage lasts. */
const logRefusal = (node: Node, begun: Promise<OperationRecord>): void => {
  begun.catch((error: unknown) => {
    const { code, message } = toColdspareError(error);
    node.log.warn({ code }, `a webhook's promote did not begin: ${message}`);
  });
};

/** Without a list every monitor counts. With one, a message that does not say which monitor it is about does not. */
const isListed = ({ settings: { webhookMonitors } }: Node, names: readonly string[]): boolean =>
  webhookMonitors.length === 0 || names.some((name) => webhookMonitors.includes(name));

const ignored = (c: HttpContext, because: string): Response => c.json({ ignored: true, because });
