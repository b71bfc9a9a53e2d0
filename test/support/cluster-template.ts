import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { initializeCluster, makeClusterDirectory, PROGRAMS } from './postgres-tools.js';

export default async ({ provide }: TestProject): Promise<(() => Promise<void>) | undefined> => {
  if (PROGRAMS === undefined) return undefined;
  const directory = await makeClusterDirectory();
  const template = join(directory, 'data');
  const remove = () => rm(directory, { recursive: true, force: true });
  try {
    await initializeCluster(template, '-A trust');
  } catch (error) {
    await remove();
    throw error;
  }
  provide('clusterTemplate', template);
  return remove;
};
