import type { PromoteCommand } from '../domain/commands.js';
import { isError, toColdspareError } from '../domain/errors.js';
import type { OperationRecord } from '../domain/operation.js';
import type { Asker } from '../operations/commands.js';
import { request } from '../operations/commands.js';
import type { Node } from '../operations/node.js';
import { idempotencyKey } from './headers.js';
import type { HttpContext } from './route.js';
import type { CheckerEvent } from './webhooks/provider.js';

/**
 * Acts on a checker's message. Only "down" starts a promote, which verifies the outage itself; "up" never gives a role
 * back (T25). A message that would be ignored again is answered with 2xx, because checkers repeat what fails. The answer
 * comes at once, because a promote takes longer than checkers wait (T27).
 */
export const promoteByWebhook = async (
  c: HttpContext,
  node: Node,
  { event, names, because: text }: CheckerEvent,
): Promise<Response> => {
  const because = text.replace(/\p{Cc}+/gu, ' ').slice(0, LONGEST_REASON);
  const summary = { event, monitor: names[0] ?? null, because };
  if (event !== 'down') {
    node.log.info(summary, 'a webhook that starts nothing');
    return ignored(c, because);
  }
  if (!isListed(node, names)) {
    node.log.info(
      summary,
      'a webhook reports an outage of a monitor that WEBHOOK_MONITORS does not list',
    );
    const monitor = names.slice(0, 3).join(' or ') || 'a monitor without a name';
    return ignored(c, `WEBHOOK_MONITORS does not list ${monitor}: ${because}`);
  }
  try {
    const command = { force: false, planned: false, dryRun: false, reason: because };
    // Each delivery has the same webhook-id, and the signature covers it. A replayed message could have another Idempotency-Key.
    const keys = { ...usableKey(c, 'Idempotency-Key'), ...usableKey(c, 'webhook-id') };
    const asker = { source: 'webhook' as const, ...keys };
    const record = await promoteSoon(node, command, asker);
    if (record === undefined) return c.json(ACCEPTED, 202, { Location: '/operations' });
    return c.json(record, 202, { Location: `/operations/${record.id}` });
  } catch (error) {
    if (!isError(error, 'already-primary') && !isError(error, 'paused')) throw error;
    node.log.info({ ...summary, code: error.code }, 'a webhook reports an outage; nothing is done');
    return ignored(c, error.message);
  }
};

/** Characters. */
const LONGEST_REASON = 500;

/** A "down" is not lost for its key: without one, it is the promote that runs. */
const usableKey = (c: HttpContext, header: string): { idempotencyKey?: string } => {
  try {
    return idempotencyKey(c, header);
  } catch {
    return {};
  }
};

/** Milliseconds in which a promote usually begins. Some checkers hardly wait longer. */
const BEGIN_TIMEOUT = 200;

const ACCEPTED = {
  accepted: true,
  because:
    'the promote begins as soon as the current operation has stopped; GET /operations shows it',
};

/** Undefined when it has not begun yet: it may have to wait until a restore has been stopped. */
const promoteSoon = async (
  node: Node,
  command: PromoteCommand,
  asker: Asker,
): Promise<OperationRecord | undefined> => {
  const giveUp = new AbortController();
  const timeout = node.clock.sleep(BEGIN_TIMEOUT, giveUp.signal).then(
    () => undefined,
    () => undefined,
  );
  const begun = request(node, 'promote', command, asker);
  try {
    const record = await Promise.race([begun, timeout]);
    if (record === undefined) logRefusal(node, begun);
    return record;
  } finally {
    giveUp.abort();
  }
};

/** The checker already has its answer. It repeats its message while the outage lasts. */
const logRefusal = (node: Node, begun: Promise<OperationRecord>): void => {
  begun.catch((error: unknown) => {
    const { code, message } = toColdspareError(error);
    node.log.warn({ code }, `a webhook's promote did not begin: ${message}`);
  });
};

/** Without WEBHOOK_MONITORS every monitor counts. With it, a message without a monitor's name does not. */
const isListed = ({ settings: { webhookMonitors } }: Node, names: readonly string[]): boolean =>
  webhookMonitors.length === 0 || names.some((name) => webhookMonitors.includes(name));

const ignored = (c: HttpContext, because: string): Response => c.json({ ignored: true, because });
