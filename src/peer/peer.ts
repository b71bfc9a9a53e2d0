import type { Duplex, Readable } from 'node:stream';
import type { FenceAnswer } from '../domain/answers.js';
import type { Served } from '../domain/commands.js';
import type { Manifest } from '../domain/manifest.js';
import type { OperationRecord } from '../domain/operation.js';
import type { NodeStatus } from '../domain/status.js';

/**
 * The other agent. Every message carries this node's epoch, every answer the peer's. Methods throw ColdspareError
 * `peer-unreachable` when no answer came (the peer may still have acted), and `peer-refused` with the peer's own
 * problem when it refused.
 */
export interface Peer {
  status(): Promise<NodeStatus>;
  /** Which run of an agent PEER_URL leads to; undefined when it is of a version that does not say. Needs no key. */
  instance(): Promise<string | undefined>;
  /** Asks a primary to stop serving until `operation` of ours has ended; `epoch` is the one we mean to take. */
  fence(operation: string, epoch: number): Promise<FenceAnswer>;
  /** The same, but only if nobody has used the peer's takeover beside us, which its answer has to say once more. */
  fenceUnused(operation: string, epoch: number, served: Served): Promise<FenceAnswer>;
  /** Asks the fenced peer for a last backup, pushed to us. The answer is its operation. */
  rescue(operation: string): Promise<OperationRecord>;
  /** Asks the peer to take over from what has every write, as operation `operation`. Safe to repeat. */
  takeOver(
    operation: string,
    epoch: number,
    backup: string | null,
    position?: string | null,
  ): Promise<OperationRecord>;
  /** Asks a primary to hand over to us. With the key of an earlier call, it is that handover. */
  requestHandover(reason: string, idempotencyKey?: string): Promise<OperationRecord>;
  /** The peer's operation; undefined when it never heard of it. */
  operation(id: string): Promise<OperationRecord | undefined>;
  /** Makes sure that the operation never commits at the peer, unless it has. Resolves to its last record. */
  cancel(id: string): Promise<OperationRecord>;
  /** One backup with its inventory; undefined when the peer does not have it. */
  backup(id: string): Promise<Manifest | undefined>;
  /** Bytes that the peer has of an interrupted upload; 0 when there is none. */
  received(id: string): Promise<number>;
  /** Streams a dump, or the part from `extent.from` on, to the peer. It is no backup there until `commit`. */
  upload(
    id: string,
    content: Readable,
    extent: Extent,
    signal: AbortSignal,
  ): Promise<{ bytes: number; sha256: string }>;
  commit(manifest: Manifest): Promise<void>;
  /** Tells the peer that the backup was still current at `at` (ISO 8601). */
  confirm(id: string, at: string): Promise<void>;
  /** A connection to the primary's PostgreSQL for replication, for `Tunnels.listen`. */
  openReplication(signal: AbortSignal): Promise<Duplex>;
}

/** The part of a dump that is sent. */
interface Extent {
  /** Offset of the first byte. */
  from: number;
  /** Size of the whole dump; undefined while the dump is being taken. */
  bytes: number | undefined;
}
