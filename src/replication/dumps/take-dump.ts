import type { Readable, Writable } from 'node:stream';
import { ColdspareError, isError } from '../../domain/errors.js';
import { formatBytes } from '../../domain/format.js';
import type { Manifest } from '../../domain/manifest.js';
import type { StepContext } from '../../engine/operation.js';
import type { Peer } from '../../peer/peer.js';
import type { PeerView } from '../../peer/peer-view.js';
import type { Notifier } from '../../ports/notifier.js';
import type { Stack } from '../../ports/stack.js';
import { noteDatabase } from '../../serve/app.js';
import { readLiveDatabase } from '../../serve/live-database.js';
import type { LocalView } from '../../serve/local-view.js';
import { type DumpKeeper, keepDump } from './keep-dump.js';
import { sendDump } from './send-dump.js';

export interface DumpTaker extends DumpKeeper {
  stack: Pick<Stack, 'database'>;
  notifier: Notifier;
  peer: Pick<Peer, 'upload'>;
  local: LocalView;
  peerView: PeerView;
}

/** A backup that was taken here. */
export interface TakenDump {
  manifest: Manifest;
  /** The upload that began with the dump; absent when there was none. */
  upload?: Upload | undefined;
}

interface Upload {
  /** Its failure shows only when it is awaited. */
  done: Promise<unknown>;
  /** Calls back with the bytes that were sent so far; whoever asked last. */
  onBytes: (sent: number) => void;
}

interface TakeOptions {
  /** Nobody waits for a lock of the dump, so it may last as long as the network takes. */
  isFrozen?: boolean;
}

/**
 * Takes and commits a backup of this node's own database. The upload to the peer follows the file on this disk, so that
 * the dump, and with it the snapshot, lasts no longer than this disk takes. If this disk is full, the last dump of a
 * frozen database goes to the peer alone.
 */
export const takeDump = async (
  node: DumpTaker,
  { signal, say }: Pick<StepContext, 'signal' | 'say'>,
  { isFrozen = false }: TakeOptions = {},
): Promise<TakenDump> => {
  const { position } = await readLiveDatabase(node);
  const sequence = await node.state.nextSequence(highestSequence(node));
  const { clock, local } = node;
  let upload: Upload | undefined;
  const dump = async (sink: Writable) => {
    const facts = await node.stack.database.dump(sink, signal);
    // For the guard, which stops an app that serves a foreign database.
    noteDatabase(node, { answers: true, marker: facts.marker });
    const { lineage, epoch } = node.state.current;
    if (lineage === null || facts.marker?.lineage !== lineage)
      throw foreignDatabase(node, facts.marker?.lineage);
    return { ...facts, ...(position && { position }), lineage, epoch, sequence };
  };
  const kept = keepDump(node, dump, {
    signal,
    onFile: (id, { follow }) => {
      let at = clock.elapsed();
      let longest = 0;
      const goesOn = () => {
        longest = Math.max(longest, clock.elapsed() - at);
        at = clock.elapsed();
      };
      const sending: Upload = { done: Promise.resolve(), onBytes: sayBytes(say) };
      const content: Readable = follow((sent) => {
        goesOn();
        sending.onBytes(sent);
      });
      sending.done = node.peer
        .upload(id, content, { from: 0, bytes: undefined }, signal)
        .then(() => {
          goesOn();
          local.dumpSilence = longest;
        });
      // Avoids an unhandled rejection; the push step reads the result and tries again.
      sending.done.catch(() => content.destroy());
      upload = sending;
    },
  });
  try {
    const manifest = await kept;
    say(`${manifest.id}: ${manifest.bytes} bytes`);
    return { manifest, upload };
  } catch (error) {
    if (!isFrozen || !isError(error, 'disk-full')) throw error;
    const sent = await sendDump(node, dump, { signal, say });
    say(`${sent.id}: ${sent.bytes} bytes, which only the peer has, because this disk is full`);
    return { manifest: sent, upload: { done: Promise.resolve(), onBytes: () => {} } };
  }
};

/** Whoever waits for the dump sees that it goes on. */
const sayBytes =
  (say: (detail: string) => void) =>
  (sent: number): void =>
    say(`${formatBytes(sent)} were sent so far`);

/** The highest number that a backup of this epoch has here or at the peer: a state that was lost begins at 0 (H36). */
const highestSequence = ({ state, backups, peerView }: DumpTaker): number => {
  const { epoch, lineage } = state.current;
  const theirs = peerView.answer?.value.latestBackup;
  const known = [...backups.list().filter((kept) => kept.lineage === lineage), theirs];
  return Math.max(0, ...known.map((kept) => (kept?.epoch === epoch ? kept.sequence : 0)));
};
export const foreignDatabase = (
  { settings, state }: Pick<DumpKeeper, 'settings' | 'state'>,
  found: string | undefined,
): ColdspareError =>
  new ColdspareError(
    'foreign-lineage',
    `the database ${settings.databaseName} carries ${found === undefined ? 'no lineage' : `the lineage ${found}`}, expected ${state.current.lineage}: it was recreated, so it is not backed up: that would replace good backups`,
    'promote the other node, which restores the newest good backup',
    { value: found ?? null },
  );
