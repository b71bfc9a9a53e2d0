import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { initializeCluster, makeClusterDirectory, PROGRAMS } from './postgres-tools.js';

export default async ({ provide }: TestProject): Promise<(() => Promise<void>) | undefined> => {
  if (PROGRAMS === undefined) return undefined;
  const directory = await makeClusterDirectory();
  const template = join(directory, 'data');
  await initializeCluster(template, '-A trust');
  provide('clusterTemplate', template);
  return () => rm(directory, { recursive: true, force: true });
};
