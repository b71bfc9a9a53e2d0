import type { OperationRecord } from '../../../src/domain/operation.js';
import type { StateData } from '../../../src/state/node-state.js';
import type { Machine } from '../machine.js';
import type { Network } from '../network.js';
import type { Timeline } from '../timeline.js';

export interface Violation {
  /** Number of the rule in DESIGN.md. */
  rule: number;
  what: string;
  /** Milliseconds since the beginning. */
  at: number;
}

/** How a node came to its latest role as primary. */
interface Promotion {
  epoch: number;
  at: number;
  record: OperationRecord | undefined;
}

/** What every check of the oracle goes by: the world, and what the nodes have written down about their roles. */
export class Facts {
  readonly violations: Violation[] = [];
  readonly states = new Map<Machine, StateData>();
  readonly promotions = new Map<Machine, Promotion>();
  readonly timeline: Timeline;
  readonly network: Network;
  readonly machines: readonly [Machine, Machine];

  constructor(timeline: Timeline, network: Network, machines: readonly [Machine, Machine]) {
    this.timeline = timeline;
    this.network = network;
    this.machines = machines;
  }

  violate(rule: number, what: string): void {
    const { now } = this.timeline;
    // One is enough: what follows is often a consequence of it.
    if (this.violations.length < 5) this.violations.push({ rule, what, at: Math.round(now) });
  }

  stateOf(machine: Machine): StateData | undefined {
    return this.states.get(machine);
  }

  isPrimary(machine: Machine): boolean {
    return this.stateOf(machine)?.mode === 'primary';
  }

  epochOf(machine: Machine): number {
    return this.stateOf(machine)?.epoch ?? 0;
  }
}
