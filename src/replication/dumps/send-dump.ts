import { createHash } from 'node:crypto';
import { Transform } from 'node:stream';
import { formatBytes } from '../../domain/format.js';
import type { Manifest } from '../../domain/manifest.js';
import type { StepContext } from '../../engine/operation.js';
import type { Peer } from '../../peer/peer.js';
import { type Dump, type DumpKeeper, nameDump } from './keep-dump.js';

/** Streams what `dump` writes to the peer, without a file here. It is no backup until the peer commits it. */
export const sendDump = async (
  node: DumpKeeper & { peer: Pick<Peer, 'upload'> },
  dump: Dump,
  { signal, say }: Pick<StepContext, 'signal' | 'say'>,
): Promise<Manifest> => {
  const named = nameDump(node);
  const hash = createHash('sha256');
  let bytes = 0;
  const through = new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      hash.update(chunk);
      bytes += chunk.length;
      say(`${formatBytes(bytes)} were sent so far`);
      done(null, chunk);
    },
  });
  const sent = node.peer.upload(named.id, through, { from: 0, bytes: undefined }, signal);
  // Ends the dump as well, which then says why.
  sent.catch((error: Error) => through.destroy(error));
  const { marker: _, ...facts } = await dump(through);
  await sent;
  return { ...named, ...facts, bytes, sha256: hash.digest('hex') };
};
