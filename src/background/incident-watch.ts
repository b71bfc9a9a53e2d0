import type { Node } from '../operations/node.js';
import type { Announcement } from '../ports/notifier.js';
import { INCIDENTS, type Incident } from './incidents.js';
import { watchLatestOperations } from './latest-operations.js';

/**
 * Announces each incident once when it begins, and once when it is over. What was told is on disk before it is said, so
 * that a restarted agent does not say it again.
 */
export const createIncidentWatch = (node: Node): (() => Promise<void>) => {
  const latest = watchLatestOperations(node);
  const startedAt = node.clock.elapsed();
  /** Variants that were told of each incident that lasts. The memory counts: the disk may be what is broken. */
  const told = new Map(Object.entries(node.state.current.announced));
  const since = new Map<string, number>();

  const news = (incident: Incident): Announcement | undefined => {
    const { event, mode, patience, over } = incident;
    const now = node.clock.elapsed();
    const { nodeName } = node.settings;
    const isOver = (message: string): Announcement | undefined => {
      since.delete(event);
      if (!told.delete(event) || over === undefined) return undefined;
      return { event, severity: 'info', over: true, message: `${nodeName}: ${message}` };
    };
    const present = node.state.current.mode;
    if (mode !== undefined && mode !== present) {
      // Whoever yields may have the role again in a moment.
      if (present === 'yielding') return undefined;
      return isOver(`it is ${present} now, so this is not its business any more`);
    }
    const finding = incident.look({ node, latest, upFor: now - startedAt });
    if (finding === undefined) return undefined;
    if (finding === null) return isOver(over ?? '');
    const began = since.get(event) ?? now;
    since.set(event, began);
    const { variant = '', ...announcement } = finding;
    const variants = told.get(event) ?? [];
    const isTooEarly = now - began < (patience?.(node.settings) ?? 0);
    if (isTooEarly || variants.includes(variant)) return undefined;
    told.set(event, [...variants, variant]);
    return { event, ...announcement };
  };

  return async () => {
    const before = JSON.stringify([...told]);
    const announcements = INCIDENTS.flatMap((incident) => news(incident) ?? []);
    if (JSON.stringify([...told]) !== before) await remember(node, told);
    for (const announcement of announcements) node.notifier.announce(announcement);
  };
};

const remember = (node: Node, told: Map<string, string[]>): Promise<void> =>
  node.state
    .update({ announced: Object.fromEntries(told) })
    .catch((error: unknown) =>
      node.log.warn({ error }, 'what is announced could not be written down; it may be said again'),
    );
