/** Where a test may break things. Every effect runs between `before` and `after` of its label. */
export interface Faults {
  /** @throws whatever the test wants to happen at `label` */
  at(label: string, moment: 'before' | 'during' | 'after'): Promise<void>;
}

export const noFaults: Faults = { at: async () => {} };
