import { toColdspareError } from '../domain/errors.js';
import type { Node } from '../operations/node.js';

/** Milliseconds in which the refusals of one sender are announced once, even if other messages of it are understood. */
const QUIET = 60 * 60_000;

/** By node and sender, when a refusal was last announced. Forgotten once a message of the sender is taken. */
const announced = new WeakMap<Node, Map<string, number>>();

/** They tell of themselves, and the checker repeats its message. */
const TEMPORARY: readonly string[] = ['busy', 'yielding'];

const announcedBy = (node: Node): Map<string, number> => {
  const known = announced.get(node) ?? new Map<string, number>();
  announced.set(node, known);
  return known;
};

/** Announces the refusal of a message to `sender`, which is not what a stranger has written. */
export const announceRefusal = (node: Node, sender: string, thrown: unknown): void => {
  const { code, message, remedy } = toColdspareError(thrown);
  const known = announcedBy(node);
  if (known.has(sender) || TEMPORARY.includes(code)) return;
  known.set(sender, node.clock.elapsed());
  node.notifier.announce({
    event: 'webhook-refused',
    severity: 'warning',
    message: `${node.settings.nodeName} refused a message to ${sender}: ${message}. An outage that is reported like this is not heard`,
    remedy,
  });
};

/** A message to `sender` was taken: the next refusal is news again. */
export const noteTaken = (node: Node, sender: string): void => {
  const known = announcedBy(node);
  if (node.clock.elapsed() - (known.get(sender) ?? 0) >= QUIET) known.delete(sender);
};

/** Runs what takes a message in. A refusal is logged with its reason, and announced once: nobody else would tell. */
export const reportingRefusals = async (
  node: Node,
  sender: string,
  take: () => Promise<Response>,
): Promise<Response> => {
  try {
    const answer = await take();
    noteTaken(node, sender);
    return answer;
  } catch (thrown) {
    const { code, message, value } = toColdspareError(thrown);
    const came = code === 'invalid-request' ? value : undefined;
    node.log.warn({ sender, code, came }, `a webhook was refused: ${message}`);
    announceRefusal(node, sender, thrown);
    throw thrown;
  }
};
