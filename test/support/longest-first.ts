import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { COSTLY } from './costly-files.js';

/** The costliest files begin first, so that none is left to run alone at the end. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const index = COSTLY.findIndex((file) => moduleId.endsWith(file));
      return index === -1 ? COSTLY.length : index;
    };
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}
