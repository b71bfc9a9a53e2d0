import { beforeEach, describe, expect, test, vi } from 'vitest';
import { ColdspareError, Refused } from '../../src/domain/errors.js';
import type { OperationRecord } from '../../src/domain/operation.js';
import { Journal } from '../../src/engine/journal.js';
import type { Plan } from '../../src/engine/operation.js';
import { Runner } from '../../src/engine/runner.js';
import type { Faults } from '../../src/ports/faults.js';
import { MemoryDisk } from '../support/memory-disk.js';
import { planOf, type TestStep } from '../support/plans.js';

const silent = { info() {}, warn() {}, error() {} };

let disk: MemoryDisk;
let happened: string[];
let fault: { label: string; moment: string } | undefined;

const faults: Faults = {
  at: async (label, moment) => {
    if (fault?.label === label && fault.moment === moment) throw new Error('injected');
  },
};

const newRunner = async () => {
  let time = Date.UTC(2026, 10, 22);
  let ids = 0;
  return new Runner({
    journal: await Journal.open(disk, '/state'),
    clock: {
      now: () => (time += 1000),
      elapsed: () => time,
      // Time passes only for those who do not want to wait.
      sleep: (ms, signal) =>
        new Promise((resolve, reject) => {
          if (ms === 0) resolve();
          signal?.addEventListener('abort', () => reject(signal.reason));
        }),
    },
    ids: {
      random: () => {
        ids += 1;
        return `${ids}`.padStart(8, '0');
      },
    },
    faults,
    ballast: { withRoom: (write) => write() },
    log: silent,
    epoch: () => 7,
  });
};

const step = (name: string, more: Partial<TestStep> = {}): TestStep => ({
  name,
  run: async () => {
    happened.push(name);
    return undefined;
  },
  undo: async () => {
    happened.push(`undo ${name}`);
  },
  ...more,
});

/** A step that goes on until it is told to end, when it has begun, and how to let it end. */
const endless = (name = 'endless') => {
  let release = () => {};
  let begin = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const run: TestStep['run'] = ({ signal }) =>
    new Promise((resolve, reject) => {
      begin();
      void released.then(() => resolve(undefined));
      signal.addEventListener('abort', () => reject(signal.reason));
    });
  return { release, begun, step: step(name, { run }) };
};

const plan = (steps: TestStep[], more: Partial<Plan> = {}): Plan =>
  planOf(steps, { isCommitted: () => happened.includes('commit'), ...more });

/** The step from which on nothing is taken back. */
const commit = (): TestStep =>
  step('commit', {
    run: async (context) => {
      happened.push('commit');
      context.commit();
    },
  });

const asked = { source: 'operator' } as const;

const run = async (runner: Runner, what: Plan): Promise<OperationRecord> => {
  const { id } = await runner.start(what, asked);
  return (await runner.wait(id, 1)) as OperationRecord;
};

beforeEach(() => {
  disk = new MemoryDisk();
  happened = [];
  fault = undefined;
});

describe('an operation', () => {
  test('runs its steps in order and leaves a record that survives a restart', async () => {
    const record = await run(
      await newRunner(),
      plan([step('a'), step('b')], {
        run: async (steps) => {
          await steps.step('a', async () => happened.push('a'));
          const answer = await steps.step('b', async () => 42);
          steps.report({ answer });
        },
      }),
    );
    expect(happened).toEqual(['a']);
    expect(record).toMatchObject({
      state: 'done',
      epoch: 7,
      source: 'operator',
      result: { answer: 42 },
      error: null,
    });
    expect(record.steps.map(({ name, state }) => [name, state])).toEqual([
      ['a', 'done'],
      ['b', 'done'],
    ]);
    expect((await newRunner()).get(record.id)).toEqual(record);
  });

  test('that fails before its commit takes back what it did, the failed step included, last first', async () => {
    const failing = step('b', {
      run: async () => {
        throw new ColdspareError('app-failed', 'it broke', 'mend it');
      },
    });
    const record = await run(await newRunner(), plan([step('a'), failing, step('c')]));
    expect(happened).toEqual(['a', 'undo b', 'undo a']);
    expect(record).toMatchObject({
      state: 'rolled-back',
      error: { code: 'app-failed', message: 'it broke', remedy: 'mend it' },
    });
    expect(record.steps.map(({ state }) => state)).toEqual(['undone', 'failed']);
  });

  test('that fails after its commit is never taken back (H07)', async () => {
    fault = { label: 'promote.start-app', moment: 'before' };
    const record = await run(await newRunner(), plan([step('a'), commit(), step('start-app')]));
    expect(happened).toEqual(['a', 'commit']);
    expect(record).toMatchObject({ state: 'failed', committed: true });
  });

  test('whose commit took effect but failed to say so is committed all the same', async () => {
    fault = { label: 'promote.commit', moment: 'after' };
    const record = await run(await newRunner(), plan([step('a'), commit()]));
    expect(happened).toEqual(['a', 'commit']);
    expect(record).toMatchObject({ state: 'failed', committed: true });
  });

  test('that is refused says so and takes back what little it did', async () => {
    const refusing = step('b', {
      run: async () => {
        throw new Refused('no-backup', 'there is none', 'make one');
      },
    });
    expect(await run(await newRunner(), plan([step('a'), refusing]))).toMatchObject({
      state: 'refused',
      error: { code: 'no-backup' },
    });
  });

  test('that cannot be taken back says both reasons', async () => {
    const stuck = step('a', {
      undo: async () => {
        throw new ColdspareError('database-unreachable', 'gone', 'start it');
      },
    });
    fault = { label: 'promote.b', moment: 'before' };
    const record = await run(await newRunner(), plan([stuck, step('b')]));
    expect(record).toMatchObject({ state: 'failed', committed: false });
    expect(record.error?.message).toContain('undoing it failed as well: gone');
  });

  test('goes on another way after a failure that it knows how to deal with', async () => {
    let tries = 0;
    const restore = async () => {
      tries += 1;
      if (tries === 1) throw new ColdspareError('backup-unusable', 'torn', 'next');
    };
    const record = await run(
      await newRunner(),
      plan([step('choose'), step('restore')], {
        run: async (steps) => {
          for (;;) {
            await steps.step('choose', async () => {});
            try {
              return await steps.step('restore', restore);
            } catch {
              // The next choice is another one.
            }
          }
        },
      }),
    );
    expect(record.state).toBe('done');
    expect(record.steps.map(({ name, state }) => `${name} ${state}`)).toEqual([
      'choose done',
      'restore failed',
      'choose done',
      'restore done',
    ]);
  });

  test('takes a step that ran twice back once', async () => {
    const again = plan([step('a')], {
      run: async (steps) => {
        const { run: act, undo } = step('a') as Required<TestStep>;
        await steps.step('a', act, { undo });
        await steps.step('a', act, { undo });
        throw new ColdspareError('app-failed', 'it broke', 'mend it');
      },
    });
    expect((await run(await newRunner(), again)).state).toBe('rolled-back');
    expect(happened).toEqual(['a', 'a', 'undo a']);
  });

  test('with a step that is not in its list fails before that step does anything', async () => {
    const record = await run(
      await newRunner(),
      plan([step('a')], { run: (steps) => steps.step('b', async () => void happened.push('b')) }),
    );
    expect(record).toMatchObject({ state: 'rolled-back', steps: [] });
    expect(record.error?.message).toContain('step b is missing');
    expect(happened).toEqual([]);
  });

  test.each([
    ['of a backup: it fails', 'backup', { state: 'rolled-back', error: { code: 'disk-full' } }],
    ['of what decides who serves: it goes on (H51)', 'promote', { state: 'done', error: null }],
  ] as const)('the disk takes no record any more %s', async (_what, kind, ending) => {
    const runner = await newRunner();
    const full = step('a', {
      run: async () => {
        disk.freeBytes = 0;
        return undefined;
      },
    });
    const record = await run(runner, plan([full, step('b')], { kind }));
    expect(record).toMatchObject(ending);
    expect(runner.current).toBeUndefined();
  });
});

describe('one at a time', () => {
  test('the same kind again is the running one (T27)', async () => {
    const runner = await newRunner();
    const { step: waiting, release } = endless();
    const first = await runner.start(plan([waiting]), asked);
    const second = await runner.start(plan([step('other')]), asked);
    expect(second.id).toBe(first.id);
    release();
    await runner.wait(first.id, 1);
    expect(happened).toEqual([]);
  });

  test('another kind is refused with who holds the node, since when and why', async () => {
    const runner = await newRunner();
    const { step: waiting, release } = endless();
    const { id } = await runner.start(plan([waiting]), asked);
    await expect(
      runner.start(plan([step('x')], { kind: 'handover' }), asked),
    ).rejects.toMatchObject({
      code: 'busy',
      message: expect.stringContaining(id),
    });
    release();
    await runner.wait(id, 1);
  });

  test('a backup gives way to a takeover', async () => {
    const runner = await newRunner();
    const { step: waiting } = endless();
    const backup = await runner.start(
      plan([waiting], { kind: 'backup', isPreemptible: () => true }),
      asked,
    );
    const promote = await run(runner, plan([step('a')]));
    expect(promote.state).toBe('done');
    expect(runner.get(backup.id)).toMatchObject({
      state: 'rolled-back',
      error: { code: 'preempted' },
    });
  });

  test('an Idempotency-Key is one operation, and belongs to one kind', async () => {
    const runner = await newRunner();
    const { id } = await runner.start(plan([step('a')]), { ...asked, idempotencyKey: 'k' });
    await runner.wait(id, 1);
    expect(runner.repeated('promote', 'k')?.id).toBe(id);
    expect(runner.repeated('promote', 'other')).toBeUndefined();
    expect(() => runner.repeated('backup', 'k')).toThrow(/belongs to promote/);
  });
});

describe('ending one early', () => {
  test('a cancelled operation takes back what it did', async () => {
    const runner = await newRunner();
    const { step: waiting, begun } = endless();
    const { id } = await runner.start(plan([step('a'), waiting]), asked);
    await begun;
    const record = await runner.cancel(id, 'not wanted any more');
    expect(record).toMatchObject({ state: 'rolled-back', error: { code: 'cancelled' } });
    expect(happened).toEqual(['a', 'undo endless', 'undo a']);
  });

  test('whoever hears that it has ended can start the next one while the end is still written down', async () => {
    const runner = await newRunner();
    const write = disk.write.bind(disk);
    let release = () => {};
    const written = new Promise<void>((resolve) => {
      release = resolve;
    });
    disk.write = async (path, text) => {
      if (text.includes('"state": "done",\n  "committed"')) await written;
      await write(path, text);
    };
    const { id } = await runner.start(plan([step('a')]), asked);
    await vi.waitFor(() => expect(runner.get(id)?.state).toBe('done'));
    expect(runner.current).toBeUndefined();

    const next = runner.start(plan([step('b')]), asked);
    release();
    expect((await next).id).not.toBe(id);
    expect(await runner.wait((await next).id, 1)).toMatchObject({ state: 'done' });
  });

  test('once committed it cannot be cancelled, it is finished', async () => {
    const runner = await newRunner();
    const { step: waiting, release, begun } = endless('start-app');
    const { id } = await runner.start(plan([commit(), waiting]), asked);
    await begun;
    expect(await runner.cancel(id, 'too late')).toMatchObject({
      committed: true,
      state: 'running',
    });
    release();
    expect(await runner.wait(id, 1)).toMatchObject({ state: 'done', committed: true });
  });

  test('an agent that stops leaves its operation as a crash would, to be taken up again', async () => {
    const runner = await newRunner();
    const { step: waiting, begun } = endless();
    const { id } = await runner.start(plan([step('a'), waiting]), asked);
    await begun;
    await runner.stop();
    expect(happened).toEqual(['a']);

    const next = await newRunner();
    const record = next.get(id) as OperationRecord;
    expect(record.state).toBe('running');
    await next.resume(plan([step('a'), step('b')]), record);
    expect(await next.wait(id, 1)).toMatchObject({ state: 'done', attempt: 2 });
  });
});

describe('watching', () => {
  test('shows every change until the end', async () => {
    const runner = await newRunner();
    const { step: waiting, release } = endless();
    const { id } = await runner.start(plan([waiting, step('b')]), asked);
    const seen: string[] = [];
    for await (const record of runner.watch(id, new AbortController().signal)) {
      seen.push(
        `${record.state}: ${record.steps.map(({ name, state }) => `${name} ${state}`).join(', ')}`,
      );
      if (record.steps.length === 1) release();
    }
    expect(seen.at(-1)).toBe('done: endless done, b done');
    expect(seen.length).toBeGreaterThan(2);
  });

  test('waiting gives up when the time is up, and the operation goes on', async () => {
    const runner = await newRunner();
    const { step: waiting, release } = endless();
    const { id } = await runner.start(plan([waiting]), asked);
    expect(await runner.wait(id, 0)).toMatchObject({ state: 'running' });
    release();
    expect(await runner.wait(id, 1)).toMatchObject({ state: 'done' });
  });
});
