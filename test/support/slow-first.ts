import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * The longest of a whole run, each half a minute and more. They begin first, so that none is left to run alone at the end.
 * Every run prints its slowest files.
 */
const SLOW = [
  'test/e2e/deploy.test.ts',
  'test/e2e/ssh-fence.test.ts',
  'test/e2e/compose-coffee.test.ts',
  'test/contract/compose-stack.test.ts',
  'test/contract/embedded-stack.test.ts',
  'test/contract/host-stack.test.ts',
  'test/simulation/mutants.test.ts',
  'test/simulation/simulation.test.ts',
  'test/faults/database-killed.test.ts',
  'test/faults/disk-full.test.ts',
  'test/faults/clock-steps.test.ts',
  'test/faults/link-cut.test.ts',
  'test/faults/app-killed.test.ts',
  'test/faults/reclaim.test.ts',
  'test/faults/fence.test.ts',
  'test/faults/promote.test.ts',
  'test/faults/drill.test.ts',
  'test/faults/backup.test.ts',
  'test/e2e/vcl1-haproxy.test.ts',
  'test/e2e/vcl1-nginx.test.ts',
  'test/e2e/drill.test.ts',
  'test/e2e/demo.test.ts',
  'test/e2e/fuzz.test.ts',
  'test/contract/peer-machine.test.ts',
];

export class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const index = SLOW.findIndex((file) => moduleId.endsWith(file));
      return index === -1 ? SLOW.length : index;
    };
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}
