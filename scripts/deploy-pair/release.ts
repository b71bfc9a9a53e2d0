import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { create } from 'tar';

/** What an agent needs besides its packages. */
const OWN = ['dist/src', 'package.json', 'package-lock.json'];

export interface Release {
  version: string;
  /** `VERSION-DIGEST`: equal names have equal contents. */
  name: string;
  /** Uncompressed. */
  bytes: number;
  /** The files as a gzipped tar, made once. */
  pack(): Promise<Buffer>;
}

/** The build and the packages that it needs in production, as they are in `project`. No registry is asked. */
export const buildRelease = async (project: string): Promise<Release> => {
  const files = await listFiles(project);
  const digest = createHash('sha256');
  let bytes = 0;
  for (const file of files) {
    const content = await readFile(join(project, file));
    bytes += content.length;
    digest.update(`${file}\0${content.length}\0`).update(content);
  }
  let packed: Promise<Buffer> | undefined;
  const { version } = JSON.parse(await readFile(join(project, 'package.json'), 'utf8'));
  return {
    version,
    name: `${version}-${digest.digest('hex').slice(0, 12)}`,
    bytes,
    pack: () => {
      packed ??= pack(project, files);
      return packed;
    },
  };
};

const pack = (project: string, files: string[]): Promise<Buffer> =>
  buffer(create({ cwd: project, gzip: true, portable: true, mtime: new Date(0) }, files));

const listFiles = async (project: string): Promise<string[]> => {
  const roots = [...OWN, ...(await productionPackages(project))];
  const lists = await Promise.all(roots.map((root) => filesBelow(project, root)));
  return lists.flat().sort();
};

interface LockEntry {
  dev?: boolean;
  optional?: boolean;
  devOptional?: boolean;
}

/** Folders of packages, without the optional ones: those are for some kinds of machines only. */
const productionPackages = async (project: string): Promise<string[]> => {
  const lock = JSON.parse(await readFile(join(project, 'package-lock.json'), 'utf8'));
  return Object.entries<LockEntry>(lock.packages)
    .filter(([path, { dev, optional, devOptional }]) => path && !dev && !optional && !devOptional)
    .map(([path]) => path);
};

const filesBelow = async (project: string, path: string): Promise<string[]> => {
  const entries = await readdir(join(project, path), { withFileTypes: true }).catch((error) => {
    if (error.code === 'ENOTDIR') return undefined;
    throw error;
  });
  if (entries === undefined) return [path];
  // Compiled for this machine. What it speeds up works without.
  if (entries.some(({ name }) => name === 'Release') && path.endsWith('/build')) return [];
  const lists = entries.map((entry) => {
    const inside = `${path}/${entry.name}`;
    if (entry.isFile()) return [inside];
    // The lock file lists the packages in a package themselves.
    return entry.isDirectory() && entry.name !== 'node_modules' ? filesBelow(project, inside) : [];
  });
  return (await Promise.all(lists)).flat();
};
