import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { type Pair, standsBy, startPair } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';

describePostgres('H13: dumps of the failback have another name pattern', () => {
  let pair: Pair;
  afterEach(() => pair?.remove());

  test('the next failover starts from the newest data, whatever the files are called', async () => {
    pair = await startPair({
      vcl2: { BACKUP_PREFIX: 'zz_nightly' },
      vcl3: { BACKUP_PREFIX: 'aa_failback' },
    });
    const { vcl2, vcl3 } = pair;
    const nightly = String((await vcl2.do('/backups')).result?.backup);
    await vcl2.breakApp();
    await vcl3.do('/promote');
    await vcl3.write('during the outage');
    await standsBy(vcl2);
    await vcl2.mendApp();
    const final = (await vcl3.do('/demote')).result?.backup;

    // The older dump has the later name, and now the later file time as well.
    const later = new Date(Date.now() + 86_400_000);
    for (const file of [`${nightly}.dump`, `${nightly}.json`])
      await utimes(join(vcl3.directory, 'backups', file), later, later);
    await vcl3.agent.kill();
    await vcl3.agent.start();
    await vcl2.losePower();

    const { result } = await vcl3.do('/promote');
    expect(nightly).toMatch(/^zz_nightly_/);
    expect(final).toMatch(/^aa_failback_/);
    expect(result).toMatchObject({ backup: final });
    expect(await vcl3.entries()).toEqual(['SEED', 'during the outage']);
  });
});
