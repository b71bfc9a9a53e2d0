import { hasEnded, type OperationRecord, type StepRecord } from '../domain/operation.js';
import { formatRunningStep, formatStep } from './format.js';
import type { Screen } from './screen.js';

/** Shows an operation step by step: a line for each finished step, and the running step as a live line. */
export class Progress {
  readonly #screen: Screen;
  readonly #shown: StepRecord['state'][] = [];

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  show(record: OperationRecord): void {
    for (const [index, step] of record.steps.entries()) {
      if (step.state === 'running' || step.state === this.#shown[index]) continue;
      this.#screen.line(`  ${this.#mark(step.state)} ${formatStep(step)}`);
      this.#shown[index] = step.state;
    }
    const running = record.steps.findLast(({ state }) => state === 'running');
    if (hasEnded(record) || running === undefined) this.#screen.clear();
    else this.#screen.live(`  … ${formatRunningStep(running)}`);
  }

  #mark(state: StepRecord['state']): string {
    switch (state) {
      case 'done':
        return this.#screen.paint('green', '✔');
      case 'undone':
        return '↶';
      default:
        return this.#screen.paint('red', '✘');
    }
  }
}
