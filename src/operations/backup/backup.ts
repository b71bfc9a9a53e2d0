import { PassThrough, type Writable } from 'node:stream';
import { pruneBackups } from '../../backups/receive.js';
import { newBackupId } from '../../domain/backup-id.js';
import type { BackupCommand } from '../../domain/commands.js';
import { ColdspareError, isError, Refused, toColdspareError } from '../../domain/errors.js';
import type { Manifest } from '../../domain/manifest.js';
import type { OperationKind } from '../../domain/operation.js';
import type { Plan, Step } from '../../engine/plan.js';
import { retry } from '../../engine/retry.js';
import { BLOCKED, type DumpFacts } from '../../ports/stack.js';
import { checkFrozenStep, type Frozen, freeze } from '../../serve/freeze.js';
import { observeDatabase } from '../../serve/serve.js';
import { isoNow, type Node } from '../node.js';
import { tee } from './tee.js';

/** The backup an operation takes; filled in by its dump step. */
export interface Taken {
  manifest: Manifest | undefined;
  /** The upload that began with the dump. */
  upload?: Promise<unknown> | undefined;
}

/** Bytes of a dump that may wait for the network: beyond, the dump waits as well. */
const AHEAD = 4 * 1024 * 1024;

const DUMP_TRIES = 8;
const PUSH_TRIES = 4;
const PUSH_FIRST_PAUSE = 1_000;

/** @throws Refused `not-primary` unless this node's database is the one that counts, or `rescue` fenced it; `busy` */
export const assertMayBackUp = (node: Node, { rescue }: Pick<BackupCommand, 'rescue'>): void => {
  const { mode, yielding } = node.state.current;
  // A rescue that comes late would freeze a primary that serves again.
  const isAllowed = rescue === undefined ? mode === 'primary' : yielding?.operation === rescue;
  if (isAllowed && rescue === undefined) assertNoUrgentOperation(node);
  if (isAllowed) return;
  throw new Refused(
    'not-primary',
    `${node.settings.nodeName} is ${mode}: only the primary's database is backed up`,
    'POST /backups on the primary',
    { value: mode },
  );
};

/** What a backup ends, or is. */
const GIVES_WAY: ReadonlySet<OperationKind> = new Set(['backup', 'push', 'drill']);

/** Only a last dump is so urgent that another operation ends for it: serving again comes before an ordinary backup. */
const assertNoUrgentOperation = ({ runner }: Node): void => {
  const running = runner.current;
  if (running === undefined || GIVES_WAY.has(running.kind)) return;
  throw new Refused(
    'busy',
    `no backup while ${running.kind} ${running.id} runs (${running.reason})`,
    `GET /operations/${running.id} follows it; the next backup comes by itself`,
    { value: running.id },
  );
};

/** Dumps, keeps the dump here and at the peer. */
export const planBackup = (node: Node, command: BackupCommand): Plan => {
  const taken: Taken = { manifest: undefined };
  const frozen: Frozen = { writes: undefined };
  const { rescue } = command;
  return {
    kind: 'backup',
    reason: command.reason || (rescue === undefined ? 'asked for' : `last dump for ${rescue}`),
    command: { type: 'backup', ...command },
    steps: [
      ...(rescue === undefined
        ? // Before the push: while the other node is away, the dumps must not fill this disk.
          [dumpStep(node, taken), pruneStep(node), pushStep(node, taken)]
        : [
            startFrozenStep(node, frozen),
            dumpStep(node, taken),
            pushStep(node, taken),
            // What fails here is there all the same, as the newest backup: it only does not hold everything.
            checkFrozenStep(node, frozen),
            rememberFinalStep(node, taken, frozen),
            pruneStep(node),
          ]),
    ],
    isCommitted: () => false,
    isPreemptible: () => true,
    result: () => report(taken),
  };
};

/** Sends the newest backup again that the peer did not get. Who asks for a backup wants a new one, and ends this. */
export const planPush = (node: Node, manifest: Manifest): Plan => {
  const taken: Taken = { manifest };
  return {
    kind: 'push',
    reason: `${manifest.id} did not reach the other node yet`,
    command: { type: 'push', backup: manifest.id },
    steps: [pushStep(node, taken)],
    isCommitted: () => false,
    isPreemptible: () => true,
    result: () => report(taken),
  };
};

/** A rescue starts a database that died with its app, and makes sure that nobody writes to it. */
const startFrozenStep = (node: Node, frozen: Frozen): Step => ({
  name: 'start-database',
  run: async ({ signal }) => {
    await node.stack.database.start(signal);
    await freeze(node, frozen);
    return undefined;
  },
});

/** Remembers which backup holds everything, so that standing down later need not set the database aside. */
const rememberFinalStep = (node: Node, taken: Taken, frozen: Frozen): Step => ({
  name: 'remember-final',
  run: async () => {
    const { yielding } = node.state.current;
    const final = { finalBackup: manifestOf(taken).id, writes: `${frozen.writes}` };
    if (yielding !== null) await node.state.update({ yielding: { ...yielding, ...final } });
    return undefined;
  },
});

/** Each node names its backups by every other second, so that no name ever means two contents. */
const isOurs = (id: string, { state }: Node): boolean =>
  Number(id.at(-1)) % 2 === (state.current.parity === 'odd' ? 1 : 0);

/** A committed backup on this node's disk, of its own database. It goes to the peer while it is being taken. */
export const dumpStep = (node: Node, taken: Taken): Step => ({
  name: 'dump',
  run: async ({ signal }) => {
    const sequence = await node.state.nextSequence();
    const { database } = node.stack;
    const dump = async (sink: Writable) => {
      const facts = await database.dump(sink, signal);
      // The guard goes by it, and stops an app that serves other data than ours.
      observeDatabase(node, { answers: true, marker: facts.marker });
      const { lineage, epoch } = node.state.current;
      if (lineage === null || facts.marker?.lineage !== lineage)
        throw foreignDatabase(node, facts.marker?.lineage);
      return { ...facts, lineage, epoch, sequence };
    };
    taken.manifest = await keepDump(node, dump, (id, sink) => {
      const content = new PassThrough({ writableHighWaterMark: AHEAD });
      taken.upload = node.peer.upload(id, content, { from: 0, bytes: undefined }, signal);
      // It is looked at by the push step, which tries again.
      taken.upload.catch(() => content.destroy());
      return tee(sink, content);
    });
    return `${taken.manifest.id}: ${taken.manifest.bytes} bytes`;
  },
});

type Numbered = DumpFacts & Pick<Manifest, 'lineage' | 'epoch' | 'sequence'>;

/**
 * Streams what `dump` writes into a committed backup on this node's disk, by way of what `through` makes of it.
 * Nothing stays of one that fails. One that made way for others is taken again.
 */
export const keepDump = async (
  node: Node,
  dump: Dump,
  through: Through = (_id, sink) => sink,
): Promise<Manifest> => {
  for (let tries = 1; ; tries += 1) {
    try {
      return await keepOnce(node, dump, through);
    } catch (error) {
      const isBlocked = isError(error, 'database-failed') && error.value === BLOCKED;
      if (!isBlocked || tries === DUMP_TRIES) throw error;
      node.log.warn({ tries }, error.message);
    }
  }
};

type Dump = (sink: Writable) => Promise<Numbered>;
type Through = (id: string, sink: Writable) => Writable;

const keepOnce = async (node: Node, dump: Dump, through: Through): Promise<Manifest> => {
  const { settings, backups, clock } = node;
  const takenAt = clock.now();
  const id = newBackupId(settings.backupPrefix, takenAt, {
    ours: backups.list().flatMap((kept) => (kept.node === settings.nodeName ? [kept.id] : [])),
    isTaken: (candidate) => backups.has(candidate) || !isOurs(candidate, node),
  });
  const { sink: file, received } = await backups.open(id);
  const sink = through(id, file);
  try {
    const { marker: _, ...facts } = await dump(sink);
    const manifest: Manifest = {
      id,
      database: settings.databaseName,
      node: settings.nodeName,
      takenAt: new Date(takenAt).toISOString(),
      ...facts,
      ...(await received),
    };
    await backups.commit(manifest);
    return manifest;
  } catch (error) {
    sink.destroy();
    throw error;
  }
};

/** The backup at the peer, committed. Tries again with growing pauses; a refusal is final. */
export const pushStep = (node: Node, taken: Taken): Step => ({
  name: 'push',
  run: async ({ signal, progress }) => {
    const manifest = manifestOf(taken);
    const once = () => push(node, taken, signal, (done) => progress(done, manifest.bytes));
    try {
      await retryUnreachable(node, signal, once);
    } catch (error) {
      if (!signal.aborted) await notePush(node, toColdspareError(error).message);
      throw error;
    }
    // Also when it came through beside the dump.
    progress(manifest.bytes, manifest.bytes);
    await notePush(node, null);
    return `committed by ${node.settings.peerUrl}`;
  },
});

/** A link that is gone for a moment is no failure. A refusal is final. */
export const retryUnreachable = <T>(
  { clock }: Node,
  signal: AbortSignal,
  attempt: () => Promise<T>,
  tries = PUSH_TRIES,
): Promise<T> =>
  retry(
    { clock, signal },
    {
      tries,
      firstPause: PUSH_FIRST_PAUSE,
      isFinal: (error) => !isError(error, 'peer-unreachable'),
    },
    attempt,
  );

const push = async (
  node: Node,
  taken: Taken,
  signal: AbortSignal,
  onBytes: (done: number) => void,
): Promise<void> => {
  const manifest = manifestOf(taken);
  const begun = taken.upload;
  taken.upload = undefined;
  try {
    await (begun ?? upload(node, manifest, signal, onBytes));
  } catch (error) {
    // An answer that was lost: the peer has it, and the commit below finds out whether it is the same.
    if (!(error instanceof ColdspareError) || error.value !== 'backup-exists') throw error;
  }
  await node.peer.commit(manifest);
};

const upload = async (
  node: Node,
  { id, bytes }: Manifest,
  signal: AbortSignal,
  onBytes: (done: number) => void,
): Promise<void> => {
  const from = await node.peer.received(id);
  // All of it came through, and only the answer did not: the commit looks whether it is the same.
  if (from === bytes) return;
  const content = await node.backups.verifiedContent(id, onBytes, from);
  try {
    await node.peer.upload(id, content, { from, bytes }, signal);
  } finally {
    content.destroy();
  }
};

/** Remembers what became of the last push; null says that it came through. */
export const notePush = async (node: Node, error: string | null): Promise<void> => {
  const { push: before } = node.state.current;
  const now = isoNow(node);
  await node.state.update({
    push:
      error === null
        ? { lastSuccessAt: now, failingSince: null, error: null }
        : { ...before, failingSince: before.failingSince ?? now, error },
  });
};

/** Only the last BACKUP_KEEP stay. */
const pruneStep = (node: Node): Step => ({
  name: 'prune',
  run: async () => {
    const gone = await pruneBackups(node, new Set());
    return gone.length > 0 ? `removed ${gone.join(', ')}` : undefined;
  },
});

const manifestOf = (taken: Taken): Manifest => {
  if (taken.manifest === undefined) throw new Error('no dump was taken before this step');
  return taken.manifest;
};

const report = ({ manifest }: Taken): Record<string, unknown> => ({
  backup: manifest?.id ?? null,
  bytes: manifest?.bytes ?? null,
  sha256: manifest?.sha256 ?? null,
});

export const foreignDatabase = (node: Node, found: string | undefined): ColdspareError =>
  new ColdspareError(
    'foreign-lineage',
    `the database ${node.settings.databaseName} carries ${found === undefined ? 'no lineage' : `the lineage ${found}`}, expected ${node.state.current.lineage}: it was recreated, and is not backed up over the good backups`,
    'promote the other node, which restores the newest good backup',
    { value: found ?? null },
  );
