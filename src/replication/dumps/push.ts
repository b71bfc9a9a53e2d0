import type { BackupStore } from '../../backups/backup-store.js';
import { usableBackups } from '../../backups/catalog.js';
import { ColdspareError, toColdspareError } from '../../domain/errors.js';
import { type Manifest, newestFirst } from '../../domain/manifest.js';
import { isInTheWay } from '../../domain/operation.js';
import type { Plan, StepContext } from '../../engine/operation.js';
import { createBackoff } from '../../engine/retry.js';
import type { Runner } from '../../engine/runner.js';
import type { Peer } from '../../peer/peer.js';
import { type PeerView, peerStatus } from '../../peer/peer-view.js';
import { retryUnreachable } from '../../peer/retry-unreachable.js';
import { type Clock, isoNow } from '../../ports/clock.js';
import type { NodeState } from '../../state/node-state.js';
import type { TakenDump } from './take-dump.js';

/** Pauses of the retry, in milliseconds. */
const RETRY_FIRST = 10_000;
const RETRY_MOST = 300_000;

export interface Pusher {
  settings: { peerUrl: string };
  state: NodeState;
  backups: BackupStore;
  peer: Pick<Peer, 'received' | 'upload' | 'commit'>;
  clock: Clock;
}

/** Brings a backup to the peer and commits it there. Tries again with growing pauses; a refusal is final. */
export const pushBackup = async (
  node: Pusher,
  { manifest, upload }: TakenDump,
  { signal, progress, say }: StepContext,
): Promise<void> => {
  const onBytes = (done: number) => progress(done, manifest.bytes);
  if (upload !== undefined) upload.onBytes = onBytes;
  let begun = upload?.done;
  const once = async () => {
    const sending = begun ?? sendFile(node, manifest, signal, onBytes);
    begun = undefined;
    try {
      await sending;
    } catch (error) {
      // The answer to an earlier upload was lost. The commit below compares the digests.
      if (!(error instanceof ColdspareError) || error.value !== 'backup-exists') throw error;
    }
    await node.peer.commit(manifest);
  };
  try {
    await retryUnreachable(node, signal, once);
  } catch (error) {
    if (!signal.aborted) await notePush(node, toColdspareError(error).message);
    throw error;
  }
  // Also when everything was there already.
  progress(manifest.bytes, manifest.bytes);
  await notePush(node, null);
  say(`committed by ${node.settings.peerUrl}`);
};

const sendFile = async (
  node: Pusher,
  { id, bytes }: Manifest,
  signal: AbortSignal,
  onBytes: (done: number) => void,
): Promise<void> => {
  const from = await node.peer.received(id);
  // Everything arrived and only the answer was lost. The commit compares the digests.
  if (from === bytes) return;
  const content = await node.backups.verifiedContent(id, onBytes, from);
  try {
    await node.peer.upload(id, content, { from, bytes }, signal);
  } finally {
    content.destroy();
  }
};

/** Records the outcome of the last push; null means success. */
export const notePush = async (
  node: Pick<Pusher, 'state' | 'clock'>,
  error: string | null,
): Promise<void> => {
  const now = isoNow(node);
  await node.state.update(({ push: before }) => ({
    push:
      error === null
        ? { lastSuccessAt: now, failingSince: null, error: null }
        : { ...before, failingSince: before.failingSince ?? now, error },
  }));
};

const PUSH_STEPS = ['push'] as const;

/** The backup in an operation's result. */
export const backupReport = (manifest?: Manifest): Record<string, unknown> => ({
  backup: manifest?.id ?? null,
  bytes: manifest?.bytes ?? null,
  sha256: manifest?.sha256 ?? null,
});

/** Sends the newest backup again when the peer did not get it. A requested backup preempts it with a new one. */
export const planPush = (node: Pusher, manifest: Manifest): Plan => ({
  kind: 'push',
  reason: `${manifest.id} did not reach the other node yet`,
  command: { type: 'push', backup: manifest.id },
  steps: PUSH_STEPS,
  run: async (steps) => {
    steps.report(backupReport(manifest));
    await steps.step('push', (context) => pushBackup(node, { manifest }, context));
  },
  isCommitted: () => false,
  isPreemptible: () => true,
});

/**
 * Sends the newest backup again, with growing pauses, until the peer has it: after a failed push, after a push that a
 * restart of this agent interrupted, and to a standby that was reinstalled.
 */
export const createPushRetry = (
  node: Pusher & { runner: Runner; peerView: PeerView },
): (() => Promise<void>) => {
  const pause = createBackoff(node.clock, { first: RETRY_FIRST, most: RETRY_MOST });
  pause.reset(RETRY_FIRST);
  return async () => {
    const { mode, push, epoch } = node.state.current;
    const newest = usableBackups(node)[0];
    const isDue =
      mode === 'primary' &&
      newest?.epoch === epoch &&
      (push.failingSince !== null || peerLacks(node.peerView, newest));
    if (!isDue) return pause.reset(RETRY_FIRST);
    if (!pause.isDue() || isInTheWay(node.runner.current)) return;
    pause.tried();
    await node.runner.start(planPush(node, newest), { source: 'schedule' });
  };
};

/** Whether the standby, as of the last probe, has no backup as new as `newest`. */
const peerLacks = (view: PeerView, newest: Manifest): boolean => {
  const peer = peerStatus(view);
  if (peer?.mode !== 'standby') return false;
  return peer.latestBackup === null || newestFirst(newest, peer.latestBackup) < 0;
};
