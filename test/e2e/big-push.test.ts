import { randomBytes } from 'node:crypto';
import { open, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hasEnded, type OperationRecord } from '../../src/domain/operation.js';
import { eventually, type Machine, type Pair, startPair } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';
import { watchMemory } from '../support/processes.js';
import { IS_SOAK } from '../support/sample.js';

const MIB = 1024 * 1024;
/** A soak pushes a gigabyte. */
const SIZE = (IS_SOAK ? 1024 : 192) * MIB;

/** Bytes that no compression makes smaller. */
const writeNoise = async (path: string): Promise<void> => {
  const file = await open(path, 'w', 0o644);
  for (let written = 0; written < SIZE; written += 16 * MIB)
    await file.write(randomBytes(16 * MIB));
  await file.close();
};

const ended = ({ agent }: Machine, { id }: OperationRecord): Promise<OperationRecord> =>
  eventually(
    'the backup has ended',
    async () => {
      const record = await agent.operation(id);
      return hasEnded(record) && record;
    },
    200_000,
  );

describePostgres(`pushing a dump of ${SIZE / MIB} MiB`, () => {
  let pair: Pair;
  const noise = join(tmpdir(), 'noise');
  beforeAll(async () => {
    pair = await startPair();
    await writeNoise(noise);
    await pair.vcl2.database.psql(`SELECT lo_import('${noise}')`, 'ledger');
    await rm(noise);
  }, 300_000);
  afterAll(() => pair?.remove());

  test('takes at most 64 MiB more memory than idling, on both sides', async () => {
    const { vcl2, vcl3 } = pair;
    const pids = [vcl2.agent.pid, vcl3.agent.pid];
    const {
      idle,
      peak,
      result: record,
    } = await watchMemory(pids, async () =>
      ended(vcl2, (await vcl2.agent.post<OperationRecord>('/backups')).body),
    );
    expect(record).toMatchObject({ state: 'done' });
    expect(Number(record.result?.bytes)).toBeGreaterThan(SIZE);
    expect((await vcl3.agent.status()).latestBackup?.bytes).toBe(record.result?.bytes);
    const growth = peak.map((bytes, index) => Math.round((bytes - (idle[index] ?? 0)) / MIB));
    console.log(
      `memory above idle: sending ${growth[0]} MiB, receiving ${growth[1]} MiB (idle ${idle.map((bytes) => Math.round(bytes / MIB)).join(' and ')} MiB)`,
    );
    expect(Math.max(...growth)).toBeLessThanOrEqual(64);
  }, 300_000);

  test('begins with the dump, and goes on where the link was cut', async () => {
    const { vcl2, vcl3, link } = pair;
    const gate = link.toVcl3.agent;
    const uploads = join(vcl3.directory, 'backups');
    let sent = 0;
    gate.tap = (_connection, isInward, chunk) => {
      sent += isInward ? chunk.length : 0;
    };
    gate.cut(SIZE / 2);
    const { body: asked } = await vcl2.agent.post<OperationRecord>('/backups');
    await eventually(
      'half of it has arrived',
      async () => {
        const part = (await readdir(uploads)).find((name) => name.endsWith('.part'));
        return part !== undefined && (await stat(join(uploads, part))).size > SIZE / 2 - MIB;
      },
      200_000,
    );
    const { steps } = await vcl2.agent.operation(asked.id);
    expect(steps.at(-1)).toMatchObject({ name: 'dump', state: 'running' });

    gate.heal();
    const record = await ended(vcl2, asked);
    expect(record).toMatchObject({ state: 'done' });
    expect((await vcl3.agent.status()).latestBackup?.bytes).toBe(record.result?.bytes);
    // What was on its way when it was cut is all that was sent twice.
    expect(sent).toBeLessThan(1.1 * SIZE);
  }, 500_000);
});
