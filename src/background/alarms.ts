import type { Facts } from '../domain/conditions/condition.js';
import {
  CONDITIONS,
  type ConditionCode,
  remedyFor,
  sentence,
} from '../domain/conditions/conditions.js';
import type { Node } from '../operations/node.js';
import type { Announcement } from '../ports/notifier.js';
import type { Observed } from '../status/facts.js';
import { nodeFacts } from '../status/node-status.js';

type AlarmNode = Observed & Pick<Node, 'notifier' | 'log'>;

/**
 * Announces each condition that has an alarm: once when it begins and once when it ends. The announcement is recorded
 * on disk before it is sent, so that a restarted agent does not repeat it.
 */
export const createAlarms = (node: AlarmNode): (() => Promise<void>) => {
  const startedAt = node.clock.elapsed();
  /** Announced variants of each event that still lasts. Also kept in memory, because the disk may be what is broken. */
  const announced = new Map(Object.entries(node.state.current.announced));
  const beganAt = new Map<string, number>();

  const check = (code: ConditionCode, facts: Facts): Announcement | undefined => {
    const { alarm, mode = facts.mode, when, severity } = CONDITIONS[code];
    if (alarm === undefined) return undefined;
    const { event = code, holds, variant, over } = alarm;
    const end = (message: string | undefined): Announcement | undefined => {
      beganAt.delete(event);
      if (!announced.delete(event) || message === undefined) return undefined;
      return { event, severity: 'info', over: true, message: `${facts.node}: ${message}` };
    };
    if (mode !== facts.mode) {
      // A yielding node may get the role back in a moment.
      if (facts.mode === 'yielding') return undefined;
      return end(over && `it is ${facts.mode} now, so this no longer concerns it`);
    }
    const isPresent = (alarm.when ?? when)(facts);
    if (isPresent === undefined) return undefined;
    if (!isPresent) return end(over);
    const now = node.clock.elapsed();
    const began = beganAt.get(event) ?? now;
    beganAt.set(event, began);
    const present = variant?.(facts) ?? '';
    const variants = announced.get(event) ?? [];
    if (now - began < (holds?.(facts) ?? 0) || variants.includes(present)) return undefined;
    announced.set(event, [...variants, present]);
    return {
      event,
      severity: typeof severity === 'function' ? severity(facts) : severity,
      message: `${facts.node} ${sentence(CONDITIONS[code], facts)}`,
      remedy: remedyFor(CONDITIONS[code], 'http', facts),
    };
  };

  return async () => {
    const before = JSON.stringify([...announced]);
    const facts = Object.assign(nodeFacts(node), { upFor: node.clock.elapsed() - startedAt });
    const codes = Object.keys(CONDITIONS) as ConditionCode[];
    const announcements = codes.flatMap((code) => check(code, facts) ?? []);
    if (JSON.stringify([...announced]) !== before) await saveAnnounced(node, announced);
    for (const announcement of announcements) node.notifier.announce(announcement);
  };
};

const saveAnnounced = (
  node: Pick<Node, 'state' | 'log'>,
  announced: Map<string, string[]>,
): Promise<void> =>
  node.state
    .update({ announced: Object.fromEntries(announced) })
    .catch((error: unknown) =>
      node.log.warn(
        { error },
        'the announced conditions could not be saved; they may be announced again after a restart',
      ),
    );
