export type OperationKind =
  | 'promote'
  | 'handover'
  | 'backup'
  | 'push'
  | 'prepare'
  | 'fence'
  | 'boot'
  | 'stand-down'
  | 'adopt';

export type OperationState = 'running' | 'done' | 'failed' | 'rolled-back' | 'refused';

/** Who asked: it decides what has to be confirmed, and what is reported. */
export type Source =
  | 'operator'
  | 'webhook'
  | 'monitor'
  | 'schedule'
  | 'failback'
  | 'peer'
  | 'agent';

export interface StepRecord {
  name: string;
  state: 'running' | 'done' | 'failed' | 'undone';
  startedAt: string;
  endedAt: string | null;
  detail: string | null;
  /** Bytes moved so far and in all, while a step moves bytes. */
  progress?: { done: number; total: number };
}

interface OperationError {
  code: string;
  message: string;
  remedy: string;
}

/** One operation as the journal keeps it and as HTTP shows it. Times are ISO 8601. */
export interface OperationRecord {
  id: string;
  kind: OperationKind;
  state: OperationState;
  /** Past the point of no return: from here on it is finished, never rolled back. */
  committed: boolean;
  reason: string;
  source: Source;
  /** The node's epoch when it started. */
  epoch: number;
  startedAt: string;
  endedAt: string | null;
  /** In the order they ran; a step that ran again is listed again. */
  steps: StepRecord[];
  result: Record<string, unknown> | null;
  error: OperationError | null;
  /** What was asked, enough to run it again after a crash. */
  command: Record<string, unknown>;
  /** How often it was started; above 1 after a crash of the agent. */
  attempt: number;
  idempotencyKey?: string;
}

/** A preparation makes way for everything else at once, so nobody has to wait for one. */
export const isInTheWay = (operation: Pick<OperationRecord, 'kind'> | null | undefined): boolean =>
  operation != null && operation.kind !== 'prepare';

export const hasEnded = (record: OperationRecord): boolean => record.state !== 'running';
