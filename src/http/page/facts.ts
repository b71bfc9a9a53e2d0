import { hasEnded, type OperationRecord } from '../../domain/operation.js';
import type { Node } from '../../operations/node.js';
import { activePause, nodeStatus } from '../../status/node-status.js';
import { type BackupFacts, backupFacts } from './backup-facts.js';
import { type ServerFacts, serverFacts } from './server-facts.js';

/** Whether the other server answers. */
export type Contact =
  | { state: 'answers' }
  /** `since`: its last answer, in milliseconds since 1970; undefined when it gave none since this agent started. */
  | { state: 'silent'; since: number | undefined; error: string }
  | { state: 'not-asked' };

/** Everything that the page shows. */
export interface PageFacts {
  /** Milliseconds since 1970. */
  now: number;
  /** Whether the reader has the admin key. Without it, redact.ts leaves things out. */
  isKeyed: boolean;
  self: ServerFacts;
  /** Its last status, which may be old: see `contact`. */
  peer: ServerFacts | undefined;
  contact: Contact;
  /** Empty without the admin key. */
  peerUrl: string;
  /** The operation that runs. */
  operation: OperationRecord | undefined;
  /** Those that have ended, newest first. */
  history: OperationRecord[];
  backups: BackupFacts[];
  maxAgeSeconds: number;
}

/** From what the node saw last. Reading the page makes it probe nothing. */
export const pageFacts = (node: Node): PageFacts => {
  const now = node.clock.now();
  const status = { ...nodeStatus(node), pause: activePause(node) };
  const peer = peerFacts(node, now);
  return {
    now,
    isKeyed: true,
    self: serverFacts(status) as ServerFacts,
    peer,
    contact: contactOf(node),
    peerUrl: node.settings.peerUrl,
    operation: node.runner.current,
    history: node.runner.list().filter(hasEnded),
    backups: backupFacts(node, peer?.latestBackup ?? null),
    maxAgeSeconds: node.settings.backupMaxAge / 1_000,
  };
};

const contactOf = ({ peerView }: Node): Contact => {
  const seen = peerView.last?.value;
  if (seen === undefined) return { state: 'not-asked' };
  if (!('error' in seen)) return { state: 'answers' };
  return { state: 'silent', since: peerView.answer?.at, error: seen.error };
};

const peerFacts = ({ peerView: { answer } }: Node, now: number): ServerFacts | undefined => {
  const facts = serverFacts(answer?.value);
  if (facts?.latestBackup == null || answer === undefined) return facts;
  // The backup grows older while the peer does not answer.
  const ageSeconds = facts.latestBackup.ageSeconds + Math.max(0, now - answer.at) / 1_000;
  return { ...facts, latestBackup: { ...facts.latestBackup, ageSeconds } };
};
