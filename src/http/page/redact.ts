import type { OperationRecord } from '../../domain/operation.js';
import type { BackupFacts } from './backup-facts.js';
import type { PageFacts } from './facts.js';
import type { ServerFacts } from './server-facts.js';

/**
 * What a reader without the admin key may see: roles, health, times, sizes, states and codes. No free text, because it
 * may hold addresses, paths and reasons. No ids, because they name the database.
 */
export const redact = (facts: PageFacts): PageFacts => ({
  ...facts,
  isKeyed: false,
  self: redactServer(facts.self),
  peer: facts.peer && redactServer(facts.peer),
  contact: facts.contact.state === 'silent' ? { ...facts.contact, error: '' } : facts.contact,
  peerUrl: '',
  operation: facts.operation && redactOperation(facts.operation),
  history: facts.history.map(redactOperation),
  backups: facts.backups.map(redactBackup),
});

const redactServer = (server: ServerFacts): ServerFacts => ({
  ...server,
  lineage: null,
  app: server.app && { ...server.app, detail: '' },
  latestBackup: server.latestBackup && redactBackup(server.latestBackup),
  lastDrill: server.lastDrill && { ...server.lastDrill, error: emptied(server.lastDrill.error) },
  shrunk: [],
  push: server.push && { error: emptied(server.push.error) },
  alone: emptied(server.alone),
  failback: server.failback && { ...server.failback, because: emptied(server.failback.because) },
  pause: server.pause && { ...server.pause, reason: '' },
  uncarried: [],
  differences: [],
});

const redactBackup = <T extends Pick<BackupFacts, 'id' | 'proof'>>(backup: T): T => ({
  ...backup,
  id: '',
  proof: backup.proof && { ...backup.proof, error: emptied(backup.proof.error) },
});

const redactOperation = (record: OperationRecord): OperationRecord => ({
  ...record,
  reason: '',
  steps: record.steps.map((step) => ({ ...step, detail: null })),
  error: record.error && { code: record.error.code, message: '', remedy: '' },
  // A figure, without the names of backups.
  result:
    record.result?.lostSeconds === undefined ? null : { lostSeconds: record.result.lostSeconds },
  command: {},
});

/** An empty text in place of any text. */
const emptied = (text: string | null): string | null => (text === null ? null : '');
