import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Random } from '../simulation/random.js';
import { makeBroken } from '../support/fuzz/broken.js';
import { type RawAnswer, RawConnection } from '../support/fuzz/connection.js';
import { makeMalformed } from '../support/fuzz/malformed.js';
import { eventually, type Machine, type Pair, startPair, TOKENS } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';
import { residentMemory } from '../support/processes.js';
import { IS_SOAK, SEED } from '../support/sample.js';

/** For each of the two agents: what is wrong in itself, and what is no request at all. A soak sends thirty times as many. */
const MALFORMED = IS_SOAK ? 47_000 : 1_400;
const BROKEN = IS_SOAK ? 3_000 : 100;
const CONNECTIONS = 4;
const PIPELINE = 50;
const MIB = 1024 * 1024;

/** Until then Node takes what memory it finds; from then on to the end it may take so many bytes more. */
const PARTS = 10;
const WARM_UP = 3;
const GROWTH = 96 * MIB;

/** No two requests are made of the same. */
const randomOf = (number: number): Random => new Random(SEED * 1_000_000 + number);

const portOf = ({ agent }: Machine): number => Number(new URL(agent.url).port);

const memoryOf = ({ agent }: Machine): Promise<number> => residentMemory(agent.pid);

/** With their markers. */
const DATABASES =
  "SELECT datname, shobj_description(oid, 'pg_database') FROM pg_database ORDER BY datname";

/** Everything that a request could have changed. */
const look = async (machine: Machine) => {
  const { agent, directory } = machine;
  // What was seen of the database, and when, goes with the clock.
  const { database: _seen, uncarried: _found, ...seen } = await agent.status();
  const { app, peer, latestBackup, ...status } = seen;
  const { ageSeconds: _age, ...backup } = latestBackup ?? {};
  const [backups, operations, entries, databases] = await Promise.all([
    agent.get('/backups', TOKENS.admin),
    agent.operations(),
    machine.entries(),
    status.role === 'primary' && machine.database.psql(DATABASES),
  ]);
  const { checkedAt: _app, ...appSeen } = app;
  const { checkedAt: _peer, ...peerSeen } = peer;
  return {
    ...{
      pid: agent.pid,
      status,
      app: appSeen,
      peer: peerSeen,
      backup,
      entries,
      operations,
      databases,
    },
    ...{ backups: backups.body, files: await hashFiles(directory) },
  };
};

/** What an agent writes all the time, and what lies there for the moment of a write. */
const PASSING = /\.(log|tmp)$|^served\.json$/;

/** Logs grow. The watch of the database writes no file. */
const hashFiles = async (directory: string): Promise<Record<string, string>> => {
  const found = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = found.filter((entry) => entry.isFile() && !PASSING.test(entry.name));
  const hashes = files.map(async ({ parentPath, name }) => {
    const path = join(parentPath, name);
    return [
      path,
      createHash('sha256')
        .update(await readFile(path))
        .digest('hex'),
    ] as const;
  });
  return Object.fromEntries(await Promise.all(hashes));
};

interface Sent {
  number: number;
  because: string;
  text: Buffer;
}

/** @throws with everything that it takes to send it again */
const check = (machine: Machine, { number, because, text }: Sent, answer: RawAnswer): string => {
  const why = whyWrong(answer);
  if (why === undefined) return JSON.parse(answer.body).code;
  throw new Error(
    `TEST_SEED=${SEED}, request ${number} to ${machine.agent.name} (${because}): ${why}\n${JSON.stringify(text.toString('latin1').slice(0, 2_000))}\n${answer.headers}\n${answer.body.slice(0, 2_000)}`,
  );
};

const SECRETS = [...Object.values(TOKENS), 'node_modules', '/dist/', 'at async'];

const whyWrong = ({ status, headers, body }: RawAnswer): string | undefined => {
  if (status < 400 || status > 499) return `answered ${status}`;
  if (!/^content-type: application\/problem\+json$/im.test(headers)) return 'no problem';
  if (/^(server|x-powered-by):/im.test(headers)) return 'says what it runs on';
  const leaked = SECRETS.find((secret) => (headers + body).includes(secret));
  if (leaked !== undefined) return `says ${leaked}`;
  const { code, status: said, remedy } = JSON.parse(body);
  if (!/^[a-z]+(-[a-z]+)*$/.test(code) || code === 'internal') return `the code is ${code}`;
  return said === status && remedy !== '' ? undefined : 'the problem does not fit its status';
};

/** Sends its share of the malformed requests over one connection, many at a time. Returns how often each code came. */
const pipeline = async (
  machine: Machine,
  target: Parameters<typeof makeMalformed>[1],
  numbers: { from: number; to: number },
  codes: Map<string, number>,
): Promise<void> => {
  let connection = await RawConnection.to(portOf(machine));
  for (let number = numbers.from; number < numbers.to; ) {
    const batch: Sent[] = [];
    while (batch.length < PIPELINE && number < numbers.to) {
      batch.push({ number, ...makeMalformed(randomOf(number), target) });
      number += 1;
    }
    connection.send(Buffer.concat(batch.map(({ text }) => text)));
    for (const sent of batch) {
      const answer = await connection.read();
      if (answer === undefined)
        throw new Error(
          `TEST_SEED=${SEED}, request ${sent.number} (${sent.because}) has no answer\n${JSON.stringify(sent.text.toString('latin1').slice(0, 2_000))}`,
        );
      const code = check(machine, sent, answer);
      codes.set(code, (codes.get(code) ?? 0) + 1);
    }
    if (connection.isClosed) connection = await RawConnection.to(portOf(machine));
  }
  await connection.close();
};

/** Each over a connection of its own. No answer at all is fine. */
const disturb = async (
  machine: Machine,
  numbers: { from: number; to: number },
  codes: Map<string, number>,
): Promise<void> => {
  for (let { from: number } = numbers; number < numbers.to; number += 1) {
    const { hangsUp, ...broken } = makeBroken(randomOf(number));
    const connection = await RawConnection.to(portOf(machine));
    connection.send(broken.text);
    if (!hangsUp) {
      for (;;) {
        const answer = await connection.read();
        if (answer === undefined) break;
        const code = check(machine, { number, ...broken }, answer);
        codes.set(code, (codes.get(code) ?? 0) + 1);
      }
    }
    await connection.close();
  }
};

describePostgres('whatever is sent to a pair that is no right request', () => {
  let pair: Pair;
  beforeAll(async () => {
    pair = await startPair({ env: { LOG_LEVEL: 'info' } });
    await pair.vcl2.write('an order');
    await pair.vcl2.do('/backups');
  });
  afterAll(() => pair?.remove());

  test('changes nothing, crashes nothing, and is answered as a problem', async ({ task }) => {
    console.log(`TEST_SEED=${SEED}`);
    const machines = [pair.vcl2, pair.vcl3] as const;
    const backup = String((await pair.vcl2.lastOperation('backup'))?.result?.backup);
    const before = await Promise.all(machines.map(look));
    const codes = new Map<string, number>();
    const throwAt = async (part: number): Promise<void> => {
      const share = (first: number, total: number) => ({
        from: first + Math.round((total * part) / PARTS),
        to: first + Math.round((total * (part + 1)) / PARTS),
      });
      await Promise.all(
        machines.map(async (machine, which) => {
          const target = { role: which === 0 ? 'primary' : 'standby', backup } as const;
          const first = which * (MALFORMED + BROKEN);
          const { from, to } = share(first, MALFORMED);
          const step = Math.ceil((to - from) / CONNECTIONS);
          const starts = Array.from({ length: CONNECTIONS }, (_, index) => from + index * step);
          await Promise.all([
            ...starts.map((start) =>
              pipeline(machine, target, { from: start, to: Math.min(start + step, to) }, codes),
            ),
            disturb(machine, share(first + MALFORMED, BROKEN), codes),
          ]);
        }),
      );
    };
    const began = performance.now();
    for (let part = 0; part < WARM_UP; part += 1) await throwAt(part);
    const early = await Promise.all(machines.map(memoryOf));
    for (let part = WARM_UP; part < PARTS; part += 1) await throwAt(part);
    const took = (performance.now() - began) / 1_000;
    const late = await Promise.all(machines.map(memoryOf));

    // A cut upload is swept up a moment after its connection has gone.
    await eventually('nothing is left of what was sent', async () => {
      const files = await Promise.all(machines.map(({ directory }) => hashFiles(directory)));
      return JSON.stringify(files) === JSON.stringify(before.map(({ files }) => files));
    }).catch(() => {});
    expect(await Promise.all(machines.map(look))).toEqual(before);
    for (const { directory } of machines) {
      const log = await readFile(join(directory, 'agent.log'), 'utf8');
      const lines = log.split('\n').filter((line) => line !== '');
      expect(lines.filter((line) => !line.startsWith('{') || /"level":"error"/.test(line))).toEqual(
        [],
      );
      expect(log).not.toContain('unforeseen');
      for (const token of Object.values(TOKENS)) expect(log).not.toContain(token);
    }
    const growth = late.map((bytes, index) => bytes - (early[index] ?? 0));
    expect(Math.max(...growth)).toBeLessThan(GROWTH);
    expect(await pair.vcl2.write('an order after it')).toBe(true);

    const total = machines.length * (MALFORMED + BROKEN);
    console.log(`refusals: ${[...codes].map(([code, count]) => `${count} ${code}`).join(', ')}`);
    task.meta.figure = `${total} malformed requests to a real pair in ${Math.round(took)} s (seed ${SEED}): ${codes.size} kinds of refusal, nothing changed, memory ${growth.map((bytes) => `${bytes < 0 ? '' : '+'}${Math.round(bytes / MIB)}`).join(' and ')} MiB`;
  }, 600_000);
});
