import { Readable } from 'node:stream';
import type { Manifest } from '../../src/domain/manifest.js';
import type { Node } from '../../src/operations/node.js';
import { LINEAGE } from './fake-node.js';

/** Puts a backup of VCL2 with this many rows on the disk of VCL3. */
export const receive = async (
  { backups }: Node,
  sequence: number,
  rows: number,
  more: Partial<Manifest> = {},
): Promise<string> => {
  const id = `ledger_20261122_19300${sequence}`;
  const counts = { 'public.entries': rows };
  const received = await backups.receive(id, Readable.from([JSON.stringify(counts)]), undefined);
  await backups.commit({
    ...{ id, database: 'ledger', node: 'vcl2', lineage: LINEAGE, epoch: 1, sequence },
    ...{ format: 'custom', serverVersion: '15.8', takenAt: new Date().toISOString() },
    inventory: { rows: counts, sequences: {}, largeObjects: 0 },
    ...received,
    ...more,
  });
  return id;
};
