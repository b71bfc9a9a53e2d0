import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { DataDirectory } from '../../src/drivers/postgres/cluster/data-directory.js';
import { createLocalFiles } from '../../src/drivers/postgres/cluster/local-files.js';
import { localExecutor } from '../../src/drivers/run-command.js';

/** Renames that still work. */
const power = vi.hoisted(() => ({ left: Number.POSITIVE_INFINITY }));

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  return {
    ...real,
    rename: async (from: string, to: string) => {
      if (power.left === 0) throw new Error('the power is cut');
      power.left -= 1;
      await real.rename(from, to);
    },
  };
});

const OLD = ['PG_VERSION', 'global/pg_control', 'base/1/2619', 'postgresql.conf'];
const NEW = ['PG_VERSION', 'global/pg_control', 'base/1/2619', 'standby.signal'];

let directory: string;
const files = createLocalFiles(localExecutor, async () => ({ directory }));
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'coldspare-data-'));
  await fill(directory, OLD, 'old');
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const fill = async (root: string, files: readonly string[], content: string): Promise<void> => {
  for (const file of files) {
    await mkdir(dirname(join(root, file)), { recursive: true });
    await writeFile(join(root, file), content);
  }
};

/** What each file in there says. */
const contents = async (): Promise<Record<string, string>> => {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const read = files.map(async ({ parentPath, name }) => {
    const path = join(parentPath, name);
    return [path.slice(directory.length + 1), await readFile(path, 'utf8')] as const;
  });
  return Object.fromEntries(await Promise.all(read));
};

const all = (files: readonly string[], content: string): Record<string, string> =>
  Object.fromEntries(files.map((file) => [file, content]));

const cutAfter = async (renames: number, work: () => Promise<void>): Promise<boolean> => {
  power.left = renames;
  try {
    await work();
    return false;
  } catch {
    return true;
  } finally {
    power.left = Number.POSITIVE_INFINITY;
  }
};

/** PostgreSQL starts no directory without it, and initdb makes no cluster in one that is not empty. */
const isWholeOrClosed = async (): Promise<boolean> => {
  const found = await contents();
  if (Object.keys(found).length === 0) return false;
  if (!('PG_VERSION' in found)) return true;
  const version = found.PG_VERSION;
  const files = version === 'old' ? OLD : NEW;
  return files.every((file) => found[file] === version);
};

const swap = async (): Promise<void> => {
  const data = new DataDirectory(files, directory);
  await data.makeRoom();
  await fill(data.copy, NEW, 'new');
  await data.install();
};

test('a copy takes the place of the cluster, and finish leaves nothing of the one before', async () => {
  await swap();
  const data = new DataDirectory(files, directory);
  expect(await data.isSwapped()).toBe(true);
  await data.finish();
  await data.finish();
  expect(await contents()).toEqual(all(NEW, 'new'));
});

test('s09: cut at any rename, the directory is a whole cluster or one that nobody starts, and the one before comes back', async () => {
  for (let renames = 0; ; renames += 1) {
    const isCut = await cutAfter(renames, swap);
    expect(await isWholeOrClosed()).toBe(true);
    await new DataDirectory(files, directory).abandon();
    expect(await contents()).toEqual(all(OLD, 'old'));
    if (!isCut) break;
    expect(renames).toBeLessThan(50);
  }
});

test('s09: cut at any rename on the way back, it comes back the next time', async () => {
  for (let renames = 0; ; renames += 1) {
    await swap();
    const isCut = await cutAfter(renames, () => new DataDirectory(files, directory).abandon());
    expect(await isWholeOrClosed()).toBe(true);
    await new DataDirectory(files, directory).abandon();
    expect(await contents()).toEqual(all(OLD, 'old'));
    if (!isCut) break;
    expect(renames).toBeLessThan(50);
  }
});

test('what was left of an earlier copy does not get into the next one', async () => {
  const data = new DataDirectory(files, directory);
  await data.makeRoom();
  await writeFile(join(data.copy, 'torn'), '');
  await data.makeRoom();
  expect(await readdir(data.copy)).toEqual([]);
});
