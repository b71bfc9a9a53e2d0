import { toColdspareError } from '../../domain/errors.js';
import type { Broken } from '../../domain/replication.js';
import type { NodeStatus } from '../../domain/status.js';
import { createBackoff } from '../../engine/retry.js';
import { peerStatus } from '../../peer/peer-view.js';
import { findDrift, primaryOf } from './before-copy.js';
import { planSeed } from './seed.js';
import { isStreaming, look, type Streamer } from './streamer.js';

/** Milliseconds. */
const PREPARE_EVERY = 60_000;
const SEED_FIRST = 5_000;
const SEED_MOST = 600_000;
/** How long a replica may not stream from a primary that is ready to send, before it is copied anew. */
const STREAM_PATIENCE = 30_000;
const DRIFT_EVERY = 86_400_000;

/** Keeps a primary ready to send and the database of a standby a replica. Runs every CHECK_INTERVAL. */
export const createKeeper = (node: Streamer): (() => Promise<void>) => {
  const keepSender = createSenderKeeper(node);
  const keepReplica = createReplicaKeeper(node);
  return async () => {
    await look(node);
    if (node.state.current.mode === 'primary') await keepSender();
    else node.view.isReady = false;
    if (node.state.current.mode === 'standby') await keepReplica();
  };
};

const createSenderKeeper = (node: Streamer): (() => Promise<void>) => {
  const { cluster, view, clock, memory, peerView } = node;
  let preparedAt = Number.NEGATIVE_INFINITY;
  return async () => {
    const positions = view.positions?.value;
    // A slot for a standby that does not stream would only fill the disk. One that was lost may come back.
    const isWanted =
      peerStatus(peerView)?.replication !== undefined || memory.current.paired !== null;
    if (positions === undefined || positions.isInRecovery || !isWanted) {
      view.isReady = false;
      return;
    }
    const isLost = positions.slot === null || positions.slot.status === 'lost';
    const isDue = !view.isReady || isLost || clock.elapsed() - preparedAt >= PREPARE_EVERY;
    if (!isDue) return;
    try {
      await cluster.prepareToSend();
      view.identity = await cluster.identity();
      Object.assign(view, { isReady: true, broken: null });
      preparedAt = clock.elapsed();
      await look(node);
    } catch (thrown) {
      const { message, remedy } = toColdspareError(thrown);
      Object.assign(view, { isReady: false, broken: { check: 'sender', message, remedy } });
    }
  };
};

const createReplicaKeeper = (node: Streamer): (() => Promise<void>) => {
  const { view, runner, clock, state } = node;
  const checkDrift = createDriftCheck(node);
  const pause = createBackoff(clock, { first: SEED_FIRST, most: SEED_MOST });
  // When the replica streamed, or could not, because nobody was ready to send.
  let patientSince = clock.elapsed();
  let hasGap = true;
  runner.onEnd(({ kind, error }) => {
    if (kind !== 'seed' || error === null || error.code === 'preempted') return;
    // The check that failed has said so itself.
    const { code: check, message, remedy } = error;
    if (check !== 'not-replicable') view.broken = { check, message, remedy };
  });
  return async () => {
    if (isStreaming(node)) {
      patientSince = clock.elapsed();
      pause.reset();
      await checkDrift(hasGap);
      hasGap = false;
      view.broken = view.drift;
      return;
    }
    hasGap = true;
    const peer = peerStatus(node.peerView);
    const isPrimary = peer?.mode === 'primary';
    const wrong = isPrimary ? whyItCannotSend(peer) : undefined;
    if (wrong !== undefined) view.broken = wrong;
    const primary =
      isPrimary && peer.replication?.state === 'sending' ? primaryOf(peer) : undefined;
    if (primary === undefined) patientSince = clock.elapsed();
    // Without the primary there is nothing to be done, and nothing wrong with the replica.
    const isBusy = runner.current !== undefined || peer?.operation?.kind === 'handover';
    if (primary === undefined || wrong !== undefined || isBusy) return;
    if (state.current.standDown !== null || !pause.isDue()) return;
    // One query that failed is no reason for a copy.
    const isPatient = clock.elapsed() - patientSince < STREAM_PATIENCE;
    if (isPatient && (await node.cluster.isReplica())) return;
    pause.tried();
    const reason = view.positions?.value.isInRecovery
      ? 'the replica does not stream although the primary can send: its log has a gap, or has gone another way'
      : 'the database of this standby is no replica of the primary yet';
    await runner.start(planSeed(node, primary, reason), { source: 'agent' });
  };
};

/**
 * Compares the servers whenever the replica streams again, every day, and when the primary's has changed: an upgrade of
 * one of them may make the indexes of the replica wrong without a word. What has been found is looked at again every
 * minute.
 */
const createDriftCheck = (node: Streamer): ((isNew: boolean) => Promise<void>) => {
  let checkedAt = Number.NEGATIVE_INFINITY;
  let checked = '';
  return async (isNew) => {
    const { view, clock, log, peerView } = node;
    if (isNew) checked = '';
    const peer = peerStatus(peerView);
    const primary = peer?.mode === 'primary' ? primaryOf(peer) : undefined;
    if (primary === undefined) return;
    const theirs = JSON.stringify({ ...primary.identity, bytes: 0 });
    const every = view.drift === null ? DRIFT_EVERY : PREPARE_EVERY;
    if (theirs === checked && clock.elapsed() - checkedAt < every) return;
    try {
      view.drift = (await findDrift(node, primary, true)) ?? null;
      checkedAt = clock.elapsed();
      checked = theirs;
    } catch (error) {
      log.warn({ error }, 'the two servers could not be compared; it is tried again');
    }
  };
};

const whyItCannotSend = ({ node, replication }: NodeStatus): Broken | undefined => {
  if (replication === undefined)
    return {
      check: 'peer',
      message: `${node} does not stream: REPLICATION=stream is not set there, or its version does not know it`,
      remedy: `set REPLICATION=stream on ${node} and restart its agent`,
    };
  // One that has just been started or promoted says nothing yet.
  if (replication.broken === null) return undefined;
  const { message, remedy } = replication.broken;
  return { check: 'sender', message: `${node} cannot send: ${message}`, remedy };
};
