import { PassThrough, type Writable } from 'node:stream';
import { ColdspareError } from '../../domain/errors.js';
import type { Manifest } from '../../domain/manifest.js';
import type { StepContext } from '../../engine/operation.js';
import type { Peer } from '../../peer/peer.js';
import type { Stack } from '../../ports/stack.js';
import { noteDatabase } from '../../serve/app.js';
import type { LocalView } from '../../serve/local-view.js';
import { type DumpKeeper, keepDump } from './keep-dump.js';
import { tee } from './tee.js';

/** Bytes of a dump that are buffered for the network. When the buffer is full, the dump waits. */
const UPLOAD_BUFFER = 4 * 1024 * 1024;

export interface DumpTaker extends DumpKeeper {
  stack: Pick<Stack, 'database'>;
  peer: Pick<Peer, 'upload'>;
  local: LocalView;
}

/** A backup that was taken here. */
export interface TakenDump {
  manifest: Manifest;
  /** The upload that began with the dump; absent when there was none. Its failure shows only when it is awaited. */
  upload?: Promise<unknown>;
}

/** Takes and commits a backup of this node's own database. It is uploaded to the peer while it is being taken. */
export const takeDump = async (
  node: DumpTaker,
  { signal, say }: Pick<StepContext, 'signal' | 'say'>,
): Promise<TakenDump> => {
  const sequence = await node.state.nextSequence();
  let upload: Promise<unknown> | undefined;
  const dump = async (sink: Writable) => {
    const facts = await node.stack.database.dump(sink, signal);
    // For the guard, which stops an app that serves a foreign database.
    noteDatabase(node, { answers: true, marker: facts.marker });
    const { lineage, epoch } = node.state.current;
    if (lineage === null || facts.marker?.lineage !== lineage)
      throw foreignDatabase(node, facts.marker?.lineage);
    return { ...facts, lineage, epoch, sequence };
  };
  const manifest = await keepDump(node, dump, (id, file) => {
    const content = new PassThrough({ writableHighWaterMark: UPLOAD_BUFFER });
    upload = node.peer.upload(id, content, { from: 0, bytes: undefined }, signal);
    // Avoids an unhandled rejection; the push step reads the result and tries again.
    upload.catch(() => content.destroy());
    return tee(file, content);
  });
  say(`${manifest.id}: ${manifest.bytes} bytes`);
  return { manifest, ...(upload && { upload }) };
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
