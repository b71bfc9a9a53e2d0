import { describe, test } from 'vitest';

describe.skip('mainframe (there is none here)', () => {
  describe('over the telephone', () => {
    test('boots', () => {});
  });
});
