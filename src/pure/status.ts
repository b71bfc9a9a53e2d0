import type { Marker } from './marker.js';
import type { OperationRecord } from './operation.js';
import type { Mode } from './transitions.js';

export interface BackupSummary {
  id: string;
  epoch: number;
  sequence: number;
  takenAt: string;
  ageSeconds: number;
  bytes: number;
  /** When it was restored ahead of time and found whole, or why it could not be; null before it was tried. */
  proof: { at: string; took: number; error: string | null } | null;
}

/** `GET /status`: everything a person or the peer needs to know about a node. No secrets. */
export interface NodeStatus {
  node: string;
  role: 'primary' | 'standby';
  mode: Mode;
  epoch: number;
  lineage: string | null;
  serving: boolean;
  /** Seconds are measured on this node's clock. */
  since: string;
  stack: string;
  app: { answers: boolean; detail: string; checkedAt: string | null };
  database: { answers: boolean; marker: Marker | null };
  latestBackup: BackupSummary | null;
  /** The backup that lies restored and cold on a standby: a promote has only to open it. */
  prepared: string | null;
  push: { lastSuccessAt: string | null; failingSince: string | null; error: string | null };
  peer: {
    url: string;
    reachable: boolean;
    /** The way around its agent, as it was tried last; null without PEER_SSH. */
    ssh: { works: boolean; error: string | null; checkedAt: string | null } | null;
    role: string | null;
    epoch: number | null;
    checkedAt: string | null;
    error: string | null;
  };
  /** How this node last became primary; null when it never did so from a backup. */
  promotion: { operation: string; epoch: number; backup: string | null; at: string } | null;
  /** Set while this node has promised not to serve. */
  yielding: { operation: string; epoch: number; cause: string } | null;
  /** Why it serves although the peer could not be asked (ALONE=serve); null once the peer has answered. */
  alone: string | null;
  pause: { until: string; reason: string } | null;
  failback: { policy: 'auto' | 'manual'; due: boolean };
  operation: OperationRecord | null;
  policy: {
    alone: 'serve' | 'wait';
    monitor: 'on' | 'off';
    witness: boolean;
    backupMaxAgeSeconds: number;
    rescueTimeoutSeconds: number;
  };
  problems: string[];
}
