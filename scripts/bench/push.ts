import { readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { OperationRecord } from '../../src/domain/operation.js';
import { runCommand } from '../../src/drivers/run-command.js';
import { missingSshd, Sshd } from '../../test/support/sshd.js';
import type { Bench } from './bench.js';
import type { Measured, Row } from './figures.js';
import { timed, typeLine } from './old-way.js';

const MB = 1_000_000;

/** A backup, from the call until the standby has committed it, in turns with the old commands. */
export const measurePush = async (bench: Bench): Promise<Measured[]> => {
  const { shop, old, runs, size } = bench;
  const reason = missingSshd();
  if (reason !== undefined) bench.miss(`push against scp: ${reason}`);
  const sshd = reason === undefined ? await Sshd.start() : undefined;
  const ours: number[] = [];
  const bare: number[] = [];
  const copied: number[] = [];
  const bytes: number[] = [];
  const plain: number[] = [];
  try {
    for (let turn = 1; turn <= runs; turn += 1) {
      bench.say(`push ${turn} of ${runs}`);
      await shop.order(shop.vcl2);
      const record = await shop.backUp();
      ours.push(secondsOf(record));
      bytes.push(Number(record.result?.bytes) / MB);
      bare.push(await dumpBare(bench));
      if (sshd !== undefined) copied.push(await dumpAndCopy(bench, sshd));
      await old.takeDump(shop.vcl2.project);
      plain.push((await stat(old.dumpFile)).size / MB);
    }
  } finally {
    await sshd?.remove();
  }
  const row = { what: 'dump → committed by the standby', size, unit: 's', ours };
  const rows: Row[] = [
    {
      ...row,
      baseline: { name: 'pg_dump -Fc -Z1 > file', runs: bare },
      ...bench.wanted({ ratio: 1.25 }),
    },
    {
      what: 'bytes on the wire',
      size,
      unit: 'MB',
      ours: bytes,
      baseline: { name: 'plain SQL', runs: plain },
      ...bench.wanted({ ratio: 0.12 }),
    },
  ];
  if (copied.length > 0) {
    const baseline = { name: 'pg_dump | gzip > file; scp', runs: copied };
    rows.splice(1, 0, { ...row, baseline, ...bench.wanted({ ratio: 0.6 }) });
  }
  return [{ title: 'Push', rows }];
};

export const secondsOf = ({ startedAt, endedAt }: Pick<OperationRecord, 'startedAt' | 'endedAt'>) =>
  (Date.parse(endedAt ?? '') - Date.parse(startedAt)) / 1_000;

const dumpBare = ({ shop, directory }: Bench): Promise<number> =>
  timed(() =>
    typeLine(
      shop.vcl2.project,
      'docker compose exec -T db pg_dump --username=postgres -Fc -Z1 coffee_dev > "$1"',
      join(directory, 'bare.dump'),
    ),
  );

const dumpAndCopy = async ({ shop, directory }: Bench, sshd: Sshd): Promise<number> => {
  const file = join(directory, 'dump.sql.gz');
  const knownHosts = join(directory, 'known_hosts');
  const key = await readFile(join(dirname(sshd.keyFile), 'host.pub'), 'utf8');
  await writeFile(knownHosts, `[127.0.0.1]:${sshd.port} ${key}`);
  const copy = [
    ...['scp', '-O', '-q', '-F', 'none', '-P', `${sshd.port}`, '-i', sshd.keyFile],
    ...['-o', `UserKnownHostsFile=${knownHosts}`, '-o', 'StrictHostKeyChecking=yes'],
    ...[file, `${sshd.user}@127.0.0.1:${join(directory, 'copied.sql.gz')}`],
  ];
  return timed(async () => {
    await typeLine(
      shop.vcl2.project,
      'docker compose exec -T db pg_dump --username=postgres coffee_dev | gzip > "$1"',
      file,
    );
    await runCommand(copy, { timeout: 600_000 });
  });
};
