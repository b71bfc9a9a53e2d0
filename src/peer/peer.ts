import type { Readable } from 'node:stream';
import type { FenceAnswer } from '../domain/answers.js';
import type { Manifest } from '../domain/manifest.js';
import type { OperationRecord } from '../domain/operation.js';
import type { NodeStatus } from '../domain/status.js';

/**
 * The other agent. Every message carries this node's epoch, every answer the peer's. Methods throw
 * ColdspareError `peer-unreachable` when no answer came (the peer may have acted all the same), and
 * `peer-refused` with the peer's own problem when it said no.
 */
export interface Peer {
  status(): Promise<NodeStatus>;
  /** Asks a primary to stop serving until `operation` of ours has ended; `epoch` is the one we mean to take. */
  fence(operation: string, epoch: number): Promise<FenceAnswer>;
  /** Asks the fenced peer for a last backup, pushed to us. The answer is its operation. */
  rescue(operation: string): Promise<OperationRecord>;
  /** Asks the peer to take over from `backup` as operation `operation`. Safe to repeat. */
  takeOver(operation: string, epoch: number, backup: string): Promise<OperationRecord>;
  /** Asks a primary to hand over to us. With the key of an earlier call, it is that handover. */
  requestHandover(reason: string, idempotencyKey?: string): Promise<OperationRecord>;
  /** The peer's operation; undefined when it never heard of it. */
  operation(id: string): Promise<OperationRecord | undefined>;
  /** Makes sure that `operation` never commits at the peer, unless it did already. The answer is what it came to. */
  cancel(id: string): Promise<OperationRecord>;
  backups(): Promise<Manifest[]>;
  /** Bytes that the peer has of an upload that broke off; 0 when it starts from the beginning. */
  received(id: string): Promise<number>;
  /** Streams a dump, or what of it is in `extent`, to the peer. Not a backup there until `commit`. */
  upload(
    id: string,
    content: Readable,
    extent: Extent,
    signal: AbortSignal,
  ): Promise<{ bytes: number; sha256: string }>;
  commit(manifest: Manifest): Promise<void>;
  /** Tells that at the moment `at` nothing had changed since the backup. */
  confirm(id: string, at: string): Promise<void>;
}

/** Which part of a dump is sent. */
interface Extent {
  /** The first byte's place in the dump. */
  from: number;
  /** Of the whole dump; undefined while it is still being taken. */
  bytes: number | undefined;
}
