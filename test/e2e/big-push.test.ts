import { randomBytes } from 'node:crypto';
import { open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Machine, type Pair, startPair } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';

const MIB = 1024 * 1024;
const SIZE = 1024 * MIB;

/** Resident memory of a machine's agent, in bytes. */
const residentMemory = async ({ agent }: Machine): Promise<number> => {
  const status = await readFile(`/proc/${agent.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
};

/** Bytes that no compression makes smaller. */
const writeNoise = async (path: string): Promise<void> => {
  const file = await open(path, 'w', 0o644);
  for (let written = 0; written < SIZE; written += 16 * MIB)
    await file.write(randomBytes(16 * MIB));
  await file.close();
};

describePostgres('pushing a dump of 1 GB', () => {
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
    const machines = [vcl2, vcl3];
    const idle = await Promise.all(machines.map(residentMemory));
    const peak = [...idle];
    let pushing = true;
    const watching = (async () => {
      while (pushing) {
        const now = await Promise.all(machines.map(residentMemory));
        for (const [index, bytes] of now.entries()) peak[index] = Math.max(peak[index] ?? 0, bytes);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    })();
    const { body } = await vcl2.run('/backups');
    pushing = false;
    await watching;
    expect(body).toMatchObject({ state: 'done' });
    expect(Number(body.result?.bytes)).toBeGreaterThan(SIZE);
    expect((await vcl3.agent.status()).latestBackup?.bytes).toBe(body.result?.bytes);
    const growth = peak.map((bytes, index) => Math.round((bytes - (idle[index] ?? 0)) / MIB));
    console.log(
      `memory above idle: sending ${growth[0]} MiB, receiving ${growth[1]} MiB (idle ${idle.map((bytes) => Math.round(bytes / MIB)).join(' and ')} MiB)`,
    );
    expect(Math.max(...growth)).toBeLessThanOrEqual(64);
  }, 300_000);
});
